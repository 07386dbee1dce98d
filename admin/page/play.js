// The playground: answers as they stream, and what a request becomes without being sent.

import { api, attempt, byId, duration, make, number, say, seconds, shortName } from "./dom.js";

const SAMPLE = {
  model: "gpt-4o",
  messages: [
    { role: "system", content: "Answer briefly." },
    { role: "user", content: "What is the weather in Bern?" },
  ],
  tools: [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } }],
  temperature: 0.2,
  logit_bias: { 50256: -100 },
};

/** What is clicked before the first `status` is `known` waits for it. */
export function usePlayground(status, known) {
  let leaving = null;
  const send = async (models) => {
    leaving?.abort();
    const mine = (leaving = new AbortController());
    const cards = models.map(({ title }) => answerCard(title));
    byId("answers").replaceChildren(...cards.map((card) => card.root));
    byId("stop").hidden = false;
    byId("verdict").hidden = true;
    const prompt = byId("prompt").value;
    await Promise.all(models.map(({ model }, i) => stream(status().chat_path, model, prompt, cards[i], mine.signal)
      .then(() => mine === leaving && askForVerdict(mine, cards.filter(({ who }) => who)))));
    if (mine !== leaving) return;
    byId("stop").hidden = true;
    byId("live").textContent = models.length > 1 ? "All answers are complete." : "The answer is complete.";
  };
  byId("play").addEventListener("submit", (event) => {
    event.preventDefault();
    known.then(() => send([{ model: "default", title: "Answer" }]));
  });
  byId("send-all").addEventListener("click", async () => {
    await known;
    const ready = status().providers.filter(({ unconfigured }) => !unconfigured);
    if (ready.length) send(ready.map(({ id, title }) => ({ model: id, title })));
  });
  byId("stop").addEventListener("click", () => {
    leaving?.abort();
    byId("stop").hidden = true;
    byId("send").focus();
  });
  byId("request").value = JSON.stringify(SAMPLE, null, 2);
  byId("explain").addEventListener("submit", (event) => {
    event.preventDefault();
    explain();
  });
}

function answerCard(title) {
  const card = {
    meta: make("p", { className: "muted small" }, "Waiting…"),
    text: make("div", { className: "answer-text" }),
  };
  card.root = make("article", { className: "answer" }, make("h3", {}, title), card.meta, card.text);
  return card;
}

/** Which of the answers there are is the best: kept for the comparison, without a word of them. */
function askForVerdict(run, cards) {
  if (cards.length < 2 || run.isJudged) return;
  const judge = async (best) => {
    const answers = cards.map(({ who }) => who);
    const better = best ? cards.indexOf(best) : null;
    const kept = await attempt(
      () => api("POST", "/admin/api/verdict", { answers, better }),
      () => `✓ Kept: ${best ? `${best.who.provider}’s answer was better` : "no answer was better"}.`,
    );
    if (!kept) return;
    run.isJudged = byId("verdict").hidden = true;
    for (const button of byId("answers").querySelectorAll(".better")) button.remove(); // some came meanwhile
  };
  for (const card of cards) {
    card.better ??= card.root.appendChild(make("button", { type: "button", className: "second small better" }, "This one is better"));
    card.better.onclick = () => judge(card);
  }
  byId("verdict").hidden = false;
  byId("verdict-none").onclick = () => judge(null);
}

/** One streamed completion into `card`: its text, and how quick it was. */
async function stream(path, model, prompt, card, signal) {
  const began = performance.now();
  let first = 0;
  let tokens = 0;
  try {
    const body = { model, messages: [{ role: "user", content: prompt }], stream: true, stream_options: { include_usage: true } };
    const answer = await fetch(path, { method: "POST", signal, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    const who = `${answer.headers.get("x-pointsman-provider") ?? ""}/${answer.headers.get("x-pointsman-model") ?? ""}`;
    for await (const chunk of events(answer.body)) {
      if (chunk.error) throw new Error(chunk.error.message);
      const delta = chunk.choices[0]?.delta ?? {};
      const piece = delta.content ?? "";
      if ((piece || delta.reasoning_content) && !first) first = performance.now();
      if (piece) card.text.append(piece);
      tokens = chunk.usage?.completion_tokens ?? tokens;
      if (first) say(card.meta, `${who} · first token ${seconds((first - began) / 1000)}`);
    }
    const writing = (performance.now() - first) / 1000;
    const speed = tokens && writing > 0.01 ? ` · ${number(Math.round(tokens / writing))} tokens/s` : "";
    say(card.meta, `${card.meta.textContent} · ${number(tokens)} tokens${speed}`);
    card.who = { provider: answer.headers.get("x-pointsman-provider"), model: answer.headers.get("x-pointsman-model") };
  } catch (error) {
    const stopped = error.name === "AbortError";
    card.root.append(make("p", { className: stopped ? "muted small" : "error" }, stopped ? "Stopped." : error.message));
    if (!first) say(card.meta, "");
  }
}

/** The JSON of each server-sent event, up to `[DONE]`. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("The answer broke off.");
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      if (!part.startsWith("data: ")) continue;
      if (part === "data: [DONE]") return;
      yield JSON.parse(part.slice(6));
    }
  }
}

async function explain() {
  const out = byId("explanation");
  try {
    const request = JSON.parse(byId("request").value);
    const { plan, providers } = await api("POST", "/admin/api/explain", request);
    out.replaceChildren(make("p", { className: "why", role: "status" }, plan.why), steps(plan), make("div", { className: "answers" }, ...providers.map(native)));
  } catch (error) {
    out.replaceChildren(make("p", { className: "error", role: "alert" }, error.message));
  }
}

function steps({ candidates, skipped }) {
  const rows = candidates.map(({ provider, model, state, reason, ends_in_s: s }) =>
    `${provider}/${model}${state === "ready" ? "" : ` (${state}${reason ? `: ${reason}` : ""}${s ? `, ${duration(s)}` : ""})`}`);
  const out = skipped.map(({ provider, model, param }) => `${provider}/${model}: skipped, cannot do ${param}`);
  return make("ol", { className: "steps" }, ...[...rows, ...out].map((text) => make("li", {}, text)));
}

function native({ title, model, method, path, body, warnings = [], error }) {
  const head = make("h3", {}, shortName(title));
  const card = make("article", { className: "answer" }, head);
  if (error) {
    card.append(make("p", { className: "error" }, `Refused: ${error.message}${error.param ? ` (${error.param})` : ""}`));
    return card;
  }
  card.append(
    make("p", { className: "muted small" }, model, make("br"), make("code", {}, `${method} ${path}`)),
    make("p", { className: "chips" }, ...warnings.map((word) => make("span", { className: "chip" }, word))),
    make("pre", { tabIndex: 0, role: "region", aria: { label: `Native request for ${shortName(title)}` } }, JSON.stringify(body, null, 2)),
  );
  return card;
}
