// The `openai` SDK for Node, at its Responses.

import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { afterOf, baseURL, equal, report, s, weather } from "./report.mjs";

const client = new OpenAI({ baseURL, apiKey: "app-node", maxRetries: 0 });
const responses = client.responses;
const TOOL = {
  type: "function",
  name: "weather",
  description: "Tells the weather",
  parameters: s.WEATHER,
  strict: true,
};
const Person = z.object({
  name: z.string(),
  age: z.int(),
  home: z.object({ city: z.string() }),
});

const text = async (model, input) => (await responses.create({ model, input })).output_text;

function turn(streamed, body) {
  const asked = { tools: [TOOL], ...body };
  return streamed ? responses.stream(asked).finalResponse() : responses.create(asked);
}

function results(output) {
  const calls = output.filter((item) => item.type === "function_call");
  equal(new Set(calls.map((call) => call.call_id)).size, 2);
  return calls.map((call) => ({
    type: "function_call_output",
    call_id: call.call_id,
    output: weather(JSON.parse(call.arguments)),
  }));
}

async function byInput(models, streamed, more = {}) {
  const model = models.tools;
  const input = [{ role: "user", content: s.CITIES }];
  const first = await turn(streamed, { model, input, store: false, ...more });
  input.push(...first.output, ...results(first.output));
  return (await turn(streamed, { model, input, store: false, ...more })).output_text;
}

async function byId(models, streamed) {
  const model = models.tools;
  const first = await turn(streamed, { model, input: s.CITIES });
  const input = results(first.output);
  return (await turn(streamed, { model, input, previous_response_id: first.id })).output_text;
}

async function refused(ask) {
  try {
    await ask();
  } catch (error) {
    return [error.status, error.code];
  }
}

const checks = {
  plain: (models) => text(models.chat, s.PLAIN),
  unicode: (models) => text(models.chat, s.UNICODE),

  async stream(models) {
    const stream = responses.stream({ model: models.chat, input: s.PLAIN });
    let said = "";
    stream.on("response.output_text.delta", (event) => (said += event.delta));
    const { output_text, usage } = await stream.finalResponse();
    equal(output_text, said);
    equal(usage.total_tokens, usage.input_tokens + usage.output_tokens);
    return said;
  },

  async image(models) {
    const content = [
      { type: "input_text", text: "See?" },
      { type: "input_image", image_url: s.DATA_URI, detail: "auto" },
    ];
    return afterOf(await text(models.vision, [{ role: "user", content }]));
  },

  async structured(models) {
    const format = zodTextFormat(Person, "person");
    const body = { model: models.schema, input: s.PERSON, text: { format } };
    return (await responses.parse(body)).output_parsed;
  },

  async reasoning(models) {
    const reasoning = { effort: "low", summary: "auto" };
    const answer = await responses.create({ model: models.thinking, input: s.PLAIN, reasoning });
    const found = answer.output.filter((item) => item.type === "reasoning");
    return found.flatMap((item) => item.summary.map((part) => part.text)).join("");
  },

  tools: (models) => byInput(models, false),
  tools_stream: (models) => byInput(models, true),
  tools_by_id: (models) => byId(models, false),
  tools_by_id_stream: (models) => byId(models, true),
  tools_sealed: (models) =>
    byInput(models, true, {
      include: ["reasoning.encrypted_content"],
      reasoning: { summary: "auto" },
    }),

  async kept(models) {
    const first = await responses.create({ model: models.chat, input: s.PLAIN });
    equal((await responses.retrieve(first.id)).output_text, first.output_text);
    const [item] = (await responses.inputItems.list(first.id)).data;
    await responses.delete(first.id);
    return [item.content[0].text, await refused(() => responses.retrieve(first.id))];
  },

  async conversation(models) {
    const { id: conversation } = await client.conversations.create({});
    const model = models.tools;
    const first = await turn(false, { model, conversation, input: s.CITIES });
    const answer = await turn(true, { model, conversation, input: results(first.output) });
    const kept = [];
    for await (const item of client.conversations.items.list(conversation)) kept.push(item.type);
    const { deleted } = await client.conversations.delete(conversation);
    return [answer.output_text, kept.includes("function_call_output"), deleted];
  },

  bad_request: (models) =>
    refused(() => responses.create({ model: models.chat, input: s.PLAIN, temperature: s.HOT })),
  unknown_model: (_, provider) => refused(() => text(s.UNKNOWN_MODEL[provider], s.PLAIN)),
};

await report(checks);
