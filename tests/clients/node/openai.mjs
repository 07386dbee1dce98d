// The `openai` SDK for Node.

import OpenAI, { toFile } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { afterOf, baseURL, equal, report, s, weather } from "./report.mjs";

const client = new OpenAI({ baseURL, apiKey: "app-node", maxRetries: 0 });
const completions = client.chat.completions;
const user = (content) => [{ role: "user", content }];
const TOOL = {
  type: "function",
  function: { name: "weather", description: "Tells the weather", parameters: s.WEATHER },
};
const Person = z.object({
  name: z.string(),
  age: z.int(),
  home: z.object({ city: z.string() }),
});

async function text(model, content) {
  const answer = await completions.create({ model, messages: user(content) });
  return answer.choices[0].message.content;
}

async function refused(body) {
  try {
    await completions.create({ messages: user(s.PLAIN), ...body });
  } catch (error) {
    return [error.constructor.name, error.code, error.param];
  }
}

const checks = {
  plain: (models) => text(models.chat, s.PLAIN),
  unicode: (models) => text(models.chat, s.UNICODE),

  async stream(models) {
    const stream = await completions.create({
      model: models.chat,
      messages: user(s.PLAIN),
      stream: true,
      stream_options: { include_usage: true },
    });
    let said = "";
    let usage;
    for await (const chunk of stream) {
      said += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
    return said;
  },

  async image(models) {
    const parts = [
      { type: "text", text: "See?" },
      { type: "image_url", image_url: { url: s.DATA_URI } },
    ];
    return afterOf(await text(models.vision, parts));
  },

  async tools(models) {
    const runner = completions.runTools({
      model: models.tools,
      messages: user(s.CITIES),
      tools: [{ ...TOOL, function: { ...TOOL.function, function: weather, parse: JSON.parse } }],
    });
    return runner.finalContent();
  },

  async tools_stream(models) {
    const runner = completions.runTools({
      model: models.tools,
      messages: user(s.CITIES),
      stream: true,
      tools: [{ ...TOOL, function: { ...TOOL.function, function: weather, parse: JSON.parse } }],
    });
    return runner.finalContent();
  },

  async structured(models) {
    const answer = await completions.parse({
      model: models.schema,
      messages: user(s.PERSON),
      response_format: zodResponseFormat(Person, "person"),
    });
    return answer.choices[0].message.parsed;
  },

  async reasoning(models) {
    const answer = await completions.create({
      model: models.thinking,
      messages: user(s.PLAIN),
      reasoning_effort: "low",
    });
    return answer.choices[0].message.reasoning_content;
  },

  async embedded() {
    const answer = await client.embeddings.create({ model: s.EMBEDDING_MODEL, input: s.EMBEDDED });
    equal(answer.data[0].embedding, answer.data[2].embedding);
    return answer.data.map((one) => one.embedding.length);
  },

  async sound(_, model) {
    const said = { model, voice: "alloy", input: s.PLAIN, response_format: "wav" };
    const spoken = await client.audio.speech.create(said).catch((error) => error);
    if (spoken instanceof Error) return spoken.code;
    const data = Buffer.from(await spoken.arrayBuffer());
    const file = await toFile(data, "said.wav");
    const heard = await client.audio.transcriptions.create({ model, file });
    return heard.text.includes(`${data.length} bytes`);
  },

  bad_request: (models) => refused({ model: models.chat, temperature: s.HOT }),
  unknown_model: (_, provider) => refused({ model: s.UNKNOWN_MODEL[provider] }),
};

await report(checks);
