// The Vercel AI SDK, by its provider for Anthropic or for Google: which, is the last argument.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { afterOf, equal, report, root, s, weather } from "./report.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const anthropicOf = (url, apiKey) => createAnthropic({ baseURL: `${url}/v1`, apiKey });
const googleOf = (url, apiKey) => createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey });
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
const [name, providerOf, thinking] = {
  anthropic: ["anthropic", anthropicOf, { thinking: { type: "enabled", budgetTokens: 2048 } }],
  google: ["google", googleOf, { thinkingConfig: { includeThoughts: true } }],
}[process.argv[5]];
const provider = providerOf(root, "app-ai-sdk");
const providerOptions = { [name]: thinking };

const ask = (options) => generateText({ maxRetries: 0, ...options });
const loop = { prompt: s.CITIES, tools, stopWhen: stepCountIs(3) };

async function refused(model, more) {
  try {
    await ask({ model, prompt: s.PLAIN, ...more });
  } catch (error) {
    return [error.name, error.statusCode, error.message.length > 0 && error.data !== undefined];
  }
}

const checks = {
  plain: async (models) => (await ask({ model: provider(models.chat), prompt: s.PLAIN })).text,
  unicode: async (models) => (await ask({ model: provider(models.chat), prompt: s.UNICODE })).text,

  async stream(models) {
    const result = streamText({ model: provider(models.chat), prompt: s.PLAIN, maxRetries: 0 });
    const text = await result.text;
    const usage = await result.totalUsage;
    equal(usage.totalTokens, usage.inputTokens + usage.outputTokens);
    equal(await result.finishReason, "stop");
    return text;
  },

  async image(models) {
    const content = [
      { type: "text", text: "See?" },
      { type: "image", image: s.PNG, mediaType: "image/png" },
    ];
    const messages = [{ role: "user", content }];
    return afterOf((await ask({ model: provider(models.vision), messages })).text);
  },

  tools: async (models) => (await ask({ model: provider(models.tools), ...loop })).text,
  tools_stream: async (models) => {
    const result = streamText({ model: provider(models.tools), maxRetries: 0, ...loop });
    return (await result.steps).at(-1).text;
  },
  tools_thinking: async (models) => {
    const model = provider(models.tools);
    const result = streamText({ model, maxRetries: 0, providerOptions, ...loop });
    return (await result.steps).at(-1).text;
  },

  async structured(models) {
    const output = Output.object({ schema: Person });
    return (await ask({ model: provider(models.schema), prompt: s.PERSON, output })).output;
  },

  async reasoning(models) {
    const model = provider(models.thinking);
    return (await ask({ model, prompt: s.PLAIN, providerOptions })).reasoningText;
  },

  bad_request: (models) => refused(provider(models.chat), { temperature: s.HOT }),
  unknown_model: (_, which) => refused(provider(s.UNKNOWN_MODEL[which])),
};

const failing = {
  unauthorized: (url, { limited }) => refused(providerOf(url, "wrong")(limited)),
  limited: (url, { limited }) => refused(providerOf(url, s.KEY)(limited)),
  overloaded: (url, { overloaded }) => refused(providerOf(url, s.KEY)(overloaded)),

  async cut(url, { cut }) {
    const model = providerOf(url, s.KEY)(cut);
    let said = "";
    let failure = false;
    const onError = () => {};
    for await (const part of streamText({ model, prompt: s.PLAIN, maxRetries: 0, onError })
      .fullStream) {
      if (part.type === "text-delta") said += part.text;
      failure ||= part.type === "error";
    }
    return [said.length > 0, failure];
  },

  async held(url, { held }) {
    const model = providerOf(url, s.KEY)(held);
    const stop = new AbortController();
    const { signal: abortSignal } = stop;
    for await (const part of streamText({ model, prompt: s.PLAIN, maxRetries: 0, abortSignal })
      .fullStream) {
      if (part.type === "text-delta") break;
    }
    stop.abort();
    return "left";
  },
};

await report(checks, failing);
