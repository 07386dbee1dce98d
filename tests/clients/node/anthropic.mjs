// Anthropic's SDK for Node.

import Anthropic from "@anthropic-ai/sdk";
import { afterOf, equal, report, root, s, weather } from "./report.mjs";

const clientOf = (baseURL, apiKey) => new Anthropic({ baseURL, apiKey, maxRetries: 0 });
const { messages, beta } = clientOf(root, "app-anthropic");
const user = (content) => [{ role: "user", content }];
const more = { max_tokens: 4000 };
const thinking = { type: "enabled", budget_tokens: 2048 };
const tools = [{ name: "weather", description: "Tells the weather", input_schema: s.WEATHER }];
const PERSON = {
  type: "object",
  properties: {
    name: { type: "string" },
    age: { type: "integer" },
    home: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    },
  },
  required: ["name", "age", "home"],
  additionalProperties: false,
};

const textOf = (answer) =>
  answer.content
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join("");
const ask = (body) => messages.create({ ...more, ...body });
const streamed = (body) => messages.stream({ ...more, ...body }).finalMessage();

async function loop(models, ask) {
  const talk = user(s.CITIES);
  const first = await ask({ model: models.tools, messages: talk, tools });
  equal(first.stop_reason, "tool_use");
  const calls = first.content.filter((block) => block.type === "tool_use");
  talk.push({ role: "assistant", content: first.content });
  const results = calls.map((call) => ({
    type: "tool_result",
    tool_use_id: call.id,
    content: weather(call.input),
  }));
  talk.push(...user(results));
  return textOf(await ask({ model: models.tools, messages: talk, tools }));
}

async function refused(client, body) {
  try {
    await client.messages.create({ ...more, messages: user(s.PLAIN), ...body });
  } catch (error) {
    equal(typeof error.requestID, "string");
    return [error.constructor.name, error.status, error.error.error.type];
  }
}

const checks = {
  plain: async (models) => textOf(await ask({ model: models.chat, messages: user(s.PLAIN) })),
  unicode: async (models) => textOf(await ask({ model: models.chat, messages: user(s.UNICODE) })),

  async stream(models) {
    const answer = await streamed({ model: models.chat, messages: user(s.PLAIN) });
    equal([answer.stop_reason, answer.model], ["end_turn", models.chat]);
    equal(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0, true);
    return textOf(answer);
  },

  async image(models) {
    const source = { type: "base64", media_type: "image/png", data: s.PNG };
    const content = [{ type: "text", text: "See?" }, { type: "image", source }];
    return afterOf(textOf(await ask({ model: models.vision, messages: user(content) })));
  },

  tools: (models) => loop(models, ask),
  tools_stream: (models) => loop(models, streamed),
  tools_thinking: (models) => loop(models, (body) => streamed({ ...body, thinking })),

  async runner(models) {
    const run = async (input) => weather(input);
    const runnable = [{ ...tools[0], run, parse: (input) => input }];
    const body = { ...more, model: models.tools, messages: user(s.CITIES), tools: runnable };
    return textOf(await beta.messages.toolRunner(body));
  },

  async structured(models) {
    const output_config = { format: { type: "json_schema", schema: PERSON } };
    const body = { model: models.schema, messages: user(s.PERSON), output_config };
    return JSON.parse(textOf(await ask(body)));
  },

  async reasoning(models) {
    const body = { model: models.thinking, messages: user(s.PLAIN) };
    const [first, ...rest] = (await streamed({ ...body, thinking })).content;
    equal([typeof first.signature, rest.map((block) => block.type)], ["string", ["text"]]);
    equal((await ask(body)).content.map((block) => block.type), ["text"]);
    return first.thinking;
  },

  async counted(models) {
    const counted = await messages.countTokens({ model: models.chat, messages: user(s.PLAIN) });
    return counted.input_tokens > 0;
  },

  bad_request: (models) => refused({ messages }, { model: models.chat, temperature: s.HOT }),
  unknown_model: (_, provider) => refused({ messages }, { model: s.UNKNOWN_MODEL[provider] }),
};

const failing = {
  unauthorized: (url, { limited }) => refused(clientOf(url, "wrong"), { model: limited }),
  limited: (url, { limited }) => refused(clientOf(url, s.KEY), { model: limited }),
  overloaded: (url, { overloaded }) => refused(clientOf(url, s.KEY), { model: overloaded }),

  async cut(url, { cut: model }) {
    let said = "";
    const body = { ...more, model, messages: user(s.PLAIN) };
    const stream = clientOf(url, s.KEY).messages.stream(body).on("text", (text) => (said += text));
    try {
      await stream.finalMessage();
    } catch (error) {
      return [said.length > 0, error.error.error.type];
    }
  },

  async held(url, { held: model }) {
    const body = { ...more, model, messages: user(s.PLAIN), stream: true };
    for await (const event of await clientOf(url, s.KEY).messages.create(body)) {
      if (event.type === "content_block_delta") break;
    }
    return "left";
  },
};

await report(checks, failing);
