// Google's own SDK for Node.

import { GoogleGenAI } from "@google/genai";
import { afterOf, equal, report, root, s, weather } from "./report.mjs";

const clientOf = (baseUrl, apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl } });
const client = clientOf(root, "app-genai");
const declared = {
  name: "weather",
  description: "Tells the weather",
  parametersJsonSchema: s.WEATHER,
};
const tools = [{ functionDeclarations: [declared] }];
const callable = {
  tool: async () => tools[0],
  callTool: async (calls) =>
    calls.map(({ id, name, args }) => ({
      functionResponse: { id, name, response: { output: weather(args) } },
    })),
};
const PERSON = {
  type: "OBJECT",
  properties: {
    name: { type: "STRING" },
    age: { type: "INTEGER" },
    home: { type: "OBJECT", properties: { city: { type: "STRING" } }, required: ["city"] },
  },
  required: ["name", "age", "home"],
};

const ask = (model, contents, config) => client.models.generateContent({ model, contents, config });
const streamed = (model, contents, config) =>
  client.models.generateContentStream({ model, contents, config });

async function whole(stream) {
  let text = "";
  let last;
  for await (const chunk of stream) {
    text += chunk.text ?? "";
    last = chunk;
  }
  return [text, last];
}

async function refused(client, model, config) {
  try {
    await client.models.generateContent({ model, contents: s.PLAIN, config });
  } catch (error) {
    return [error.name, error.status, JSON.parse(error.message).error.status];
  }
}

async function looped(model, config, send) {
  const chat = client.chats.create({ model, config });
  const text = await send(chat, s.CITIES);
  equal(chat.getHistory(true).length, 4);
  return text;
}

const checks = {
  plain: async (models) => (await ask(models.chat, s.PLAIN)).text,
  unicode: async (models) => (await ask(models.chat, s.UNICODE)).text,

  async stream(models) {
    const [text, last] = await whole(await streamed(models.chat, s.PLAIN));
    equal([last.candidates[0].finishReason, last.usageMetadata.totalTokenCount > 0], ["STOP", true]);
    return text;
  },

  async image(models) {
    const parts = [{ text: "See?" }, { inlineData: { mimeType: "image/png", data: s.PNG } }];
    return afterOf((await ask(models.vision, [{ role: "user", parts }])).text);
  },

  async tools(models) {
    return looped(models.tools, { tools: [callable] }, async (chat, message) =>
      (await chat.sendMessage({ message })).text,
    );
  },

  async tools_stream(models) {
    // By hand: what the chat keeps of a stream is each chunk as a content of its own.
    const chat = client.chats.create({ model: models.tools, config: { tools } });
    const calls = [];
    for await (const chunk of await chat.sendMessageStream({ message: s.CITIES })) {
      calls.push(...(chunk.functionCalls ?? []));
    }
    equal(calls.length, 2);
    const message = await callable.callTool(calls);
    return (await whole(await chat.sendMessageStream({ message })))[0];
  },

  async structured(models) {
    const config = { responseMimeType: "application/json", responseSchema: PERSON };
    return JSON.parse((await ask(models.schema, s.PERSON, config)).text);
  },

  async reasoning(models) {
    const config = { thinkingConfig: { includeThoughts: true } };
    const { parts } = (await ask(models.thinking, s.PLAIN, config)).candidates[0].content;
    const hidden = (await ask(models.thinking, s.PLAIN)).candidates[0].content;
    equal(hidden.parts.some((part) => part.thought), false);
    return parts
      .filter((part) => part.thought)
      .map((part) => part.text)
      .join("");
  },

  async counted(models) {
    const counted = await client.models.countTokens({ model: models.chat, contents: s.PLAIN });
    return counted.totalTokens > 0;
  },

  async listed(models) {
    let found = 0;
    for await (const model of await client.models.list()) found += model.name.startsWith("models/");
    return found > 3 && (await client.models.get({ model: models.chat })).name.length > 7;
  },

  bad_request: (models) => refused(client, models.chat, { temperature: s.HOT }),
  unknown_model: (_, provider) => refused(client, s.UNKNOWN_MODEL[provider]),
};

const failing = {
  unauthorized: (url, { limited }) => refused(clientOf(url, "wrong"), limited),
  limited: (url, { limited }) => refused(clientOf(url, s.KEY), limited),
  overloaded: (url, { overloaded }) => refused(clientOf(url, s.KEY), overloaded),

  async cut(url, { cut: model }) {
    let said = "";
    try {
      const body = { model, contents: s.PLAIN };
      for await (const chunk of await clientOf(url, s.KEY).models.generateContentStream(body)) {
        said += chunk.text ?? "";
      }
    } catch (error) {
      return [said.length > 0, error.name, error.status];
    }
  },

  async held(url, { held: model }) {
    const stop = new AbortController();
    const config = { abortSignal: stop.signal };
    const body = { model, contents: s.PLAIN, config };
    for await (const chunk of await clientOf(url, s.KEY).models.generateContentStream(body)) {
      if (chunk.text) break;
    }
    stop.abort();
    return "left";
  },
};

await report(checks, failing);
