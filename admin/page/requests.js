// The log of requests, filtered, and the receipt of each.

import { timeline } from "./chart.js";
import { api, attempt, byId, isNews, make, moment, number, price, rate, seconds } from "./dom.js";
import { said } from "./kept.js";

const SKIPPED = "skipped=";

/** Returns what brings the log up to date. A page further back stays as it is. */
export function useRequests() {
  let before = null;
  const show = async () => {
    const told = await api("GET", `/admin/api/requests?${query({ limit: 25, ...(before && { before }) })}`);
    byId("log-older").disabled = !told.next;
    byId("log-newest").hidden = !before;
    byId("log-older").dataset.next = told.next ?? "";
    for (const format of ["csv", "json"]) byId(`log-${format}`).href = `/admin/api/requests.${format}?${query({})}`;
    if (!isNews(byId("log-rows"), told.requests)) return;
    byId("log-rows").replaceChildren(...told.requests.map(line));
    byId("log-empty").hidden = told.requests.length > 0;
  };
  byId("log-older").addEventListener("click", () => { before = byId("log-older").dataset.next; show(); });
  byId("log-newest").addEventListener("click", () => { before = null; show(); });
  byId("log-filter").addEventListener("input", () => { before = null; });
  byId("log-filter").addEventListener("submit", (event) => event.preventDefault());
  byId("receipt-close").addEventListener("click", () => byId("receipt").close());
  return show;
}

function query(more) {
  const chosen = [...new FormData(byId("log-filter"))].filter(([, value]) => value);
  return new URLSearchParams({ ...Object.fromEntries(chosen), ...more });
}

function outcome({ status, cancelled, partial, error }) {
  if (cancelled) return ["left", "client left"];
  if (partial) return ["bad", `broken off${error ? `: ${error}` : ""}`];
  return status < 400 ? ["on", `${status}`] : ["bad", `${status}${error ? ` ${error}` : ""}`];
}

function line(request) {
  const [state, words] = outcome(request);
  const open = make("button", { type: "button", className: "quiet", aria: { label: `Receipt of the request at ${moment(request.at)}` } }, moment(request.at));
  open.addEventListener("click", () => attempt(async () => showReceipt(await api("GET", `/admin/api/requests/${request.id}`))));
  const who = request.provider ? `${request.provider} · ${request.model}` : "nobody";
  return make("tr", {},
    make("td", {}, open),
    make("td", {}, request.app ?? "–"),
    make("td", {}, who, ...(request.rotated ? [make("span", { className: "tag" }, "stood in")] : [])),
    make("td", {}, make("span", { className: "outcome", data: { state } }, words)),
    make("td", {}, tokens(request)),
    make("td", {}, request.first_s == null ? "–" : seconds(request.first_s)),
    make("td", {}, seconds(request.total_s)),
    make("td", {}, rate(request.tokens_per_s)),
    make("td", {}, price(request)));
}

function tokens({ prompt, completion, estimated }) {
  return `${estimated ? "~" : ""}${number(prompt)} → ${number(completion)}`;
}

function facts(pairs) {
  return make("dl", {}, ...pairs.filter(([, value]) => value != null && value !== "").map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

async function showReceipt(request) {
  const { story } = request;
  const dropped = story.warnings.filter((word) => !word.startsWith(SKIPPED)).map((word) => make("li", {}, make("code", {}, word)));
  const unable = story.warnings.filter((word) => word.startsWith(SKIPPED)).map((word) => word.slice(SKIPPED.length).split(":"));
  const passed = [...Object.entries(story.passed), ...unable.map(([who, what]) => [who, `it cannot do ${what}`])].map(([who, why]) =>
    make("li", {}, make("strong", {}, who), ` was not asked: ${why}`));
  const tries = story.tries.map((one) => make("li", {},
    make("strong", {}, `${one.provider}/${one.model}`), ` → ${one.reason ? `${one.outcome}, ${one.reason.replaceAll("_", " ")}` : "answered"}`,
    ` after ${seconds(one.ended_s)}${one.waited_s ? `, of which ${seconds(one.waited_s)} were waited` : ""}${one.maybe_billed ? "; it may have been billed all the same" : ""}`));
  const part = (title, items, none) => [make("h3", {}, title), items.length ? make("ul", {}, ...items) : make("p", { className: "muted small" }, none)];
  byId("receipt-body").replaceChildren(
    facts([
      ["Request", request.request_id],
      ["Asked for", `${request.asked || "–"}${request.stream ? ", streamed" : ""}`],
      ["App", request.app],
      [request.status < 400 ? "Answered by" : "Last asked", request.provider && `${request.provider} · ${request.model}`],
      ["Ended", outcome(request)[1] + (request.finish ? ` · ${request.finish}` : "")],
      ["Tokens", `${tokens(request)}${request.reasoning ? `, ${number(request.reasoning)} of them thoughts` : ""}${request.cached ? `, ${number(request.cached)} cached` : ""}${request.estimated ? " (estimated)" : ""}`],
      ["Time", `${request.first_s == null ? "no content" : `first content after ${seconds(request.first_s)}`}, end after ${seconds(request.total_s)}${request.loading_s ? `, and ${seconds(request.loading_s)} before that to load the model` : ""}`],
      ["Speed", request.tokens_per_s && rate(request.tokens_per_s, " tokens/s")],
      ["Cost", price(request) + (request.estimated ? " (estimated)" : "")],
      ["Bytes", `${number(request.bytes_in)} in, ${number(request.bytes_out)} out`],
    ]),
    make("h3", {}, "Considered"),
    make("p", { className: "small" }, story.considered.join(" → ") || "nobody: the request was refused before"),
    ...part("Not asked", passed, "Nobody was passed over."),
    ...part("Attempts", tries, "None."),
    ...(story.tries.length ? [timeline(request)] : []),
    ...part("Dropped or emulated", dropped, "Nothing."),
    ...(await said(request.request_id)),
  );
  byId("receipt").showModal();
}
