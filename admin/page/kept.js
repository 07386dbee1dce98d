// What was said: kept for a time that the owner asks for, and shown in the receipts meanwhile.

import { api, attempt, byId, make, moment, say } from "./dom.js";

const EVERY_MS = 3000;
const PATH = "/admin/api/kept";
const RESPONSES = "/admin/api/responses";
const CACHE = "/admin/api/cache";
const MB = 1_000_000;

/** Keep the switch up to date, and the notice at the top of the page. */
export function useKept() {
  const show = () => {
    if (document.hidden) return;
    api("GET", PATH).then(showState, () => {});
    api("GET", RESPONSES).then(showResponses, () => {});
    api("GET", CACHE).then(showCache, () => {});
  };
  byId("forget-responses").addEventListener("click", () => attempt(async () => showResponses(await api("DELETE", RESPONSES)), () => "✓ Forgotten. No client can go on from what was kept."));
  byId("forget-cache").addEventListener("click", () => attempt(async () => showCache(await api("DELETE", CACHE)), () => "✓ Forgotten. Who asks the same again gets a new answer."));
  byId("keep").addEventListener("click", () => attempt(async () => showState(await api("PUT", PATH, { minutes: Number(byId("keep-for").value) }))));
  byId("forget").addEventListener("click", () => attempt(async () => showState(await api("DELETE", PATH)), () => "✓ Forgotten. Prompts and answers are not kept."));
  setInterval(show, EVERY_MS);
  show();
}

function showState({ until, requests }) {
  const isOn = until != null;
  byId("kept-notice").hidden = !isOn;
  say(byId("kept-notice-text"), isOn ? `Prompts and answers are kept in memory until ${moment(until)}, then forgotten: ${requests} so far.` : "");
  say(byId("kept-text"), isOn ? "Prompts and answers are in the receipts." : "Prompts and answers are not kept.");
  say(byId("keep"), isOn ? "Start the time anew" : "Keep them");
}

/** What clients may go on from by an id; on disk some may be left of a time when it was kept there. */
function showResponses({ store, count, bytes }) {
  byId("responses").hidden = count === 0;
  const where = { disk: "kept on disk", memory: "kept" }[store] ?? "still kept";
  say(byId("responses-text"), `${count} responses and conversations are ${where} for clients, ${(bytes / MB).toFixed(1)} MB.`);
}

/** What who asks exactly the same gets again. */
function showCache({ store, count, bytes }) {
  byId("cache").hidden = store === "off" && count === 0;
  const kept = `${count} answers are kept for who asks the same again, ${(bytes / MB).toFixed(1)} MB.`;
  say(byId("cache-text"), store === "off" ? `The cache is off. ${kept}` : kept);
}

/** What was said in a request, as parts of its receipt; nothing where it is not kept. */
export async function said(requestId) {
  const { request, answer, cut } = await api("GET", `${PATH}/${encodeURIComponent(requestId)}`);
  if (request == null) return [];
  const block = (title, text) => [make("h3", {}, title), make("pre", { className: "said", tabIndex: 0 }, text || "(empty)")];
  const note = cut ? [make("p", { className: "muted small" }, "Only the beginning was kept.")] : [];
  return [...block("Prompt", pretty(request)), ...block("Answer", words(answer)), ...note];
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The text of a stream, put together; anything else as it is. */
function words(answer) {
  if (!answer.startsWith("data: ")) return pretty(answer);
  const pieces = answer.split("\n").filter((line) => line.startsWith("data: {")).map((line) => {
    try {
      return JSON.parse(line.slice(6)).choices?.[0]?.delta?.content ?? "";
    } catch {
      return "";
    }
  });
  return pieces.join("") || answer;
}
