// The Vercel AI SDK, by its provider for OpenAI-compatible endpoints and by the one for OpenAI.

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { afterOf, baseURL, equal, report, s, weather } from "./report.mjs";

const compatible = createOpenAICompatible({
  name: "pointsman",
  baseURL,
  apiKey: "app-ai-sdk",
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const openai = createOpenAI({ baseURL, apiKey: "app-ai-sdk" });
const Person = z.object({
  name: z.string(),
  age: z.int(),
  home: z.object({ city: z.string() }),
});
const tools = {
  weather: tool({
    description: "Tells the weather",
    inputSchema: jsonSchema(s.WEATHER),
    execute: weather,
  }),
};

async function streamed(options) {
  let failure;
  const result = streamText({ maxRetries: 0, onError: ({ error }) => (failure = error), ...options });
  const text = await result.text;
  if (failure) throw failure;
  return { text, usage: await result.totalUsage };
}

async function refused(model, more) {
  try {
    await generateText({ model: compatible(model), prompt: s.PLAIN, maxRetries: 0, ...more });
  } catch (error) {
    return [error.name, error.statusCode];
  }
}

const ask = (options) => generateText({ maxRetries: 0, ...options });
const loop = { prompt: s.CITIES, tools, stopWhen: stepCountIs(3) };

async function looped(options) {
  const result = streamText({ maxRetries: 0, ...loop, ...options });
  return (await result.steps).at(-1).text;
}

// It would think by names that it knows.
const thinking = { forceReasoning: true, reasoningEffort: "low", reasoningSummary: "auto" };
const stateless = {
  openai: { store: false, ...thinking, include: ["reasoning.encrypted_content"] },
};

// What `openai(...)` is by itself. Later turns name earlier ones by their ids, unless nothing is kept.
const byResponses = {
  plain_by_responses: async (models) =>
    (await ask({ model: openai(models.chat), prompt: s.PLAIN })).text,
  stream_by_responses: async (models) =>
    (await streamed({ model: openai(models.chat), prompt: s.PLAIN })).text,
  tools_by_responses: async (models) => (await ask({ model: openai(models.tools), ...loop })).text,
  tools_stream_by_responses: (models) => looped({ model: openai(models.tools) }),
  tools_sealed_by_responses: (models) =>
    looped({ model: openai(models.tools), providerOptions: stateless }),

  async structured_by_responses(models) {
    const output = Output.object({ schema: Person });
    return (await ask({ model: openai(models.schema), prompt: s.PERSON, output })).output;
  },

  async image_by_responses(models) {
    const content = [
      { type: "text", text: "See?" },
      { type: "image", image: s.PNG, mediaType: "image/png" },
    ];
    const messages = [{ role: "user", content }];
    return afterOf((await ask({ model: openai(models.vision), messages })).text);
  },

  async reasoning_by_responses(models) {
    const providerOptions = { openai: thinking };
    const model = openai(models.thinking);
    return (await ask({ model, prompt: s.PLAIN, providerOptions })).reasoningText;
  },

  // The second turn holds the first as references to what is kept.
  async turns_by_responses(models) {
    const messages = [{ role: "user", content: "Hello" }];
    const first = await ask({ model: openai(models.chat), messages });
    messages.push(...first.response.messages, { role: "user", content: s.PLAIN });
    return (await ask({ model: openai(models.chat), messages })).text;
  },
};

const checks = {
  plain: async (models) => (await ask({ model: compatible(models.chat), prompt: s.PLAIN })).text,
  unicode: async (models) =>
    (await ask({ model: compatible(models.chat), prompt: s.UNICODE })).text,

  async stream(models) {
    const { text, usage } = await streamed({ model: compatible(models.chat), prompt: s.PLAIN });
    equal(usage.totalTokens, usage.inputTokens + usage.outputTokens);
    return text;
  },

  async image(models) {
    const content = [
      { type: "text", text: "See?" },
      { type: "image", image: s.PNG, mediaType: "image/png" },
    ];
    const messages = [{ role: "user", content }];
    return afterOf((await ask({ model: compatible(models.vision), messages })).text);
  },

  tools: async (models) => (await ask({ model: compatible(models.tools), ...loop })).text,
  tools_stream: (models) => looped({ model: compatible(models.tools) }),
  tools_of_openai: async (models) => (await ask({ model: openai.chat(models.tools), ...loop })).text,

  async structured(models) {
    const output = Output.object({ schema: Person });
    return (await ask({ model: compatible(models.schema), prompt: s.PERSON, output })).output;
  },

  async structured_of_openai(models) {
    const output = Output.object({ schema: Person });
    return (await ask({ model: openai.chat(models.schema), prompt: s.PERSON, output })).output;
  },

  ...byResponses,

  async reasoning(models) {
    const providerOptions = { pointsman: { reasoningEffort: "low" } };
    const model = compatible(models.thinking);
    return (await ask({ model, prompt: s.PLAIN, providerOptions })).reasoningText;
  },

  async embedded() {
    const model = openai.embedding(s.EMBEDDING_MODEL);
    const { embeddings } = await embedMany({ model, values: s.EMBEDDED, maxRetries: 0 });
    equal(embeddings[0], embeddings[2]);
    return embeddings.map((one) => one.length);
  },

  bad_request: (models) => refused(models.chat, { temperature: s.HOT }),
  unknown_model: (_, provider) => refused(s.UNKNOWN_MODEL[provider]),
};

await report(checks);
