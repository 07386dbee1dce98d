// What was used: sums and times for each provider or app, and how they came about over time.

import { bars, legend, moments, momentText } from "./chart.js";
import { api, byId, make, moment, number, seconds } from "./dom.js";
import { useRequests } from "./requests.js";

const EVERY_MS = 3000;
const WHAT = {
  requests: ({ requests }) => requests,
  tokens: ({ prompt, completion, estimated }) => prompt + completion + estimated,
};
let shown = "";

/** Keep the section up to date while it is in view. `status` gives the latest status. */
export function useUsage(status) {
  let isInView = false;
  const section = byId("usage");
  const showLog = useRequests();
  const refresh = async () => {
    if (!isInView || document.hidden) return;
    const query = new URLSearchParams(new FormData(byId("usage-choice")));
    const what = query.get("what");
    query.delete("what");
    try {
      show(await api("GET", `/admin/api/usage?${query}`), what, status());
      await showLog();
    } catch {
      return; // the connection's state is told at the top of the page
    }
  };
  new IntersectionObserver(([entry]) => {
    isInView = entry.isIntersecting;
    refresh();
  }).observe(section);
  byId("usage-choice").addEventListener("change", refresh);
  byId("log-filter").addEventListener("input", refresh);
  setInterval(refresh, EVERY_MS);
}

function show(told, what, status) {
  const { since, until, ...facts } = told;
  const text = JSON.stringify([facts, what, byId("usage").clientWidth, status?.providers.map(limitOf), Math.floor(until / 300)]);
  if (text === shown) return;
  shown = text;
  const names = told.groups.map(({ name }) => name);
  const word = what === "tokens" ? "Tokens" : "Requests";
  byId("usage-chart").replaceChildren(legend(names), bars(told, names, WHAT[what], word, byId("usage").clientWidth - 40));
  byId("usage-sums").replaceChildren(sums(told, status));
  byId("usage-numbers").replaceChildren(numbers(told, names, WHAT[what]));
  byId("usage-empty").hidden = told.groups.length > 0;
  byId("usage-chart").hidden = byId("usage-table").hidden = byId("usage-details").hidden = !told.groups.length;
  byId("usage-dropped").hidden = !told.dropped;
  byId("usage-dropped").textContent = `${number(told.dropped)} requests found no room in the log while the database could not be written.`;
}

const row = (cells, tag = "td") => make("tr", {}, ...cells.map((cell, index) =>
  make(index ? tag : "th", index ? {} : { scope: "row" }, ...[cell].flat())));

const head = (cells) => make("thead", {}, make("tr", {}, ...cells.map((cell) => make("th", { scope: "col" }, cell))));

const time = (value) => (value == null ? "–" : seconds(value));

const share = (part, whole) => (part ? `${number(part)} (${Math.round((100 * part) / whole)} %)` : "0");

/** The specification's table, of real traffic: one line each, and the sum. */
function sums({ groups, total, by, range }, status) {
  const isToday = by === "provider" && range === "today";
  const limits = new Map(isToday ? status?.providers.map((one) => [one.id, limitOf(one)]) : []);
  const line = (name, group) => row([
    name ?? "nobody",
    number(group.requests),
    ...(isToday ? [limits.get(group.name) ?? "–"] : []),
    share(group.errors, group.requests),
    share(group.rotated, group.requests),
    number(group.prompt),
    number(group.completion) + (group.estimated ? ` (+ ~${number(group.estimated)})` : ""),
    time(group.first_s_p50),
    group.total_s_p50 == null ? "–" : `${seconds(group.total_s_p50)} / ${seconds(group.total_s_p95)}`,
    group.tokens_per_s_p50 == null ? "–" : number(Math.round(group.tokens_per_s_p50)),
  ]);
  const lines = groups.map((group) => line(group.name, group));
  if (groups.length > 1) lines.push(line("All", total));
  return make("table", {},
    head([by === "app" ? "App" : "Provider", "Requests", ...(isToday ? ["Limit"] : []), "Errors", "Stood in", "Tokens in", "Tokens out", "First token", "p50 / p95", "Tokens/s"]),
    make("tbody", {}, ...lines));
}

/** The limit that is nearest to its end, and when there is room again. */
function limitOf({ windows }) {
  const fullest = [...windows].sort((a, b) => b.used / b.limit - a.used / a.limit)[0];
  if (!fullest) return "none";
  const back = fullest.free_at ? `, back ${moment(fullest.free_at)}` : "";
  return `${number(fullest.used)} of ${number(fullest.limit)} ${fullest.name.replace(", as told", "")}${back}`;
}

function numbers(told, names, value) {
  const at = new Map();
  for (const entry of told.series) at.set(`${entry.at} ${names.indexOf(entry.name)}`, value(entry));
  const used = moments(told).filter((one) => told.series.some((entry) => entry.at === one));
  return make("table", {}, head(["Time", ...names.map((name) => name ?? "nobody")]), make("tbody", {}, ...used.map((one) =>
    row([momentText(one, told.step), ...names.map((_, index) => number(at.get(`${one} ${index}`) ?? 0))]))));
}
