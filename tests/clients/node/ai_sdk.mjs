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
  tools_stream: async (models) => {
    const result = streamText({ model: compatible(models.tools), maxRetries: 0, ...loop });
    return (await result.steps).at(-1).text;
  },
  tools_of_openai: async (models) => (await ask({ model: openai.chat(models.tools), ...loop })).text,

  async structured(models) {
    const output = Output.object({ schema: Person });
    return (await ask({ model: compatible(models.schema), prompt: s.PERSON, output })).output;
  },

  async structured_of_openai(models) {
    const output = Output.object({ schema: Person });
    return (await ask({ model: openai.chat(models.schema), prompt: s.PERSON, output })).output;
  },

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
