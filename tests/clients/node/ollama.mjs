// Ollama's own client for JavaScript. It sends a key to ollama.com alone, so it is given in a header.

import { Ollama } from "ollama";
import { afterOf, equal, report, root, s, weather } from "./report.mjs";

const clientOf = (host, key) => new Ollama({ host, headers: { authorization: `Bearer ${key}` } });
const client = clientOf(root, "app-ollama");
const user = (content, more) => [{ role: "user", content, ...more }];
const tools = [
  {
    type: "function",
    function: { name: "weather", description: "Tells the weather", parameters: s.WEATHER },
  },
];
const PERSON = {
  type: "object",
  properties: {
    name: { type: "string" },
    age: { type: "integer" },
    home: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
  required: ["name", "age", "home"],
};

async function said(stream, name = "content") {
  let text = "";
  for await (const piece of stream) text += piece.message[name] ?? "";
  return text;
}

const whole = async (body) => (await client.chat(body)).message;
const text = async (model, content) => (await whole({ model, messages: user(content) })).content;

async function loop(model, stream) {
  const messages = user(s.CITIES);
  if (stream) {
    const answer = await client.chat({ model, messages, tools, stream });
    for await (const piece of answer) messages.push(piece.message);
  } else messages.push(await whole({ model, messages, tools }));
  const calls = messages.slice(1).flatMap((message) => message.tool_calls ?? []);
  equal(calls.length, 2);
  for (const { function: called } of calls) {
    const content = weather(called.arguments);
    messages.push({ role: "tool", tool_name: called.name, content });
  }
  return (await whole({ model, messages, tools })).content;
}

async function refused(client, body) {
  try {
    await client.chat({ messages: user(s.PLAIN), ...body });
  } catch (error) {
    return [error.name, error.status_code];
  }
}

const checks = {
  plain: (models) => text(models.chat, s.PLAIN),
  unicode: (models) => text(models.chat, s.UNICODE),

  async stream(models) {
    const body = { model: models.chat, messages: user(s.PLAIN), stream: true };
    let text = "";
    let last;
    for await (const piece of await client.chat(body)) {
      text += piece.message.content;
      last = piece;
    }
    equal([last.done, last.done_reason, last.eval_duration > 0], [true, "stop", true]);
    return text;
  },

  async generated(models) {
    let said = "";
    for await (const piece of await client.generate({
      model: models.chat,
      prompt: s.PLAIN,
      stream: true,
    })) {
      said += piece.response;
    }
    equal((await client.generate({ model: models.chat, prompt: s.PLAIN })).response, said);
    return said;
  },

  async image(models) {
    const messages = user("See?", { images: [s.PNG] });
    return afterOf((await whole({ model: models.vision, messages })).content);
  },

  tools: (models) => loop(models.tools, false),
  tools_stream: (models) => loop(models.tools, true),

  async structured(models) {
    const body = { model: models.schema, messages: user(s.PERSON), format: PERSON };
    return JSON.parse((await whole(body)).content);
  },

  async reasoning(models) {
    const body = { model: models.thinking, messages: user(s.PLAIN) };
    const { thinking } = await whole({ ...body, think: true });
    equal(await said(await client.chat({ ...body, think: true, stream: true }), "thinking"), thinking);
    equal((await whole({ ...body, think: false })).thinking, undefined);
    return thinking;
  },

  async listed(models) {
    const { models: rows } = await client.list();
    const shown = await client.show({ model: models.chat });
    await client.ps();
    return rows.length > 0 && shown.capabilities.includes("completion");
  },

  bad_request: (models) =>
    refused(client, { model: models.chat, options: { temperature: "hot" } }),
  unknown_model: (_, provider) => refused(client, { model: s.UNKNOWN_MODEL[provider] }),
};

const failing = {
  unauthorized: (url, { limited }) => refused(clientOf(url, "wrong"), { model: limited }),
  limited: (url, { limited }) => refused(clientOf(url, s.KEY), { model: limited }),
  overloaded: (url, { overloaded }) => refused(clientOf(url, s.KEY), { model: overloaded }),

  async cut(url, { cut: model }) {
    let said = "";
    try {
      const body = { model, messages: user(s.PLAIN), stream: true };
      for await (const piece of await clientOf(url, s.KEY).chat(body)) said += piece.message.content;
    } catch (error) {
      return [said.length > 0, error.message.includes(model.split("/")[0])];
    }
  },

  async held(url, { held: model }) {
    const stream = await clientOf(url, s.KEY).chat({ model, messages: user(s.PLAIN), stream: true });
    for await (const piece of stream) {
      if (piece.message.content) break;
    }
    stream.abort();
    return "left";
  },
};

await report(checks, failing);
