// What was used: sums and times for each provider or app, and how they came about over time.

import { showArms } from "./arms.js";
import { bars, legend, momentText } from "./chart.js";
import { api, byId, head, isNews, make, number, price, rate, seconds, share } from "./dom.js";
import { useRequests } from "./requests.js";
import { showAlerts, showToday } from "./today.js";

const EVERY_MS = 3000;
const WHAT = {
  requests: ({ requests }) => requests,
  tokens: ({ prompt, completion, estimated }) => prompt + completion + estimated,
};
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
      const told = await api("GET", `/admin/api/usage?${query}`);
      const isToday = told.range === "today" && told.by === "provider";
      show(told, isToday ? told : await api("GET", "/admin/api/usage"), what, status());
      await showArms(told.range);
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

function show(told, today, what, status) {
  const { since, until, ...facts } = told;
  const limits = status?.providers.map(({ windows, pause }) => [windows, pause]);
  if (!isNews(byId("usage"), [facts, today.groups, what, byId("usage").clientWidth, limits, Math.floor(until / 300)])) return;
  showToday(today, status);
  showAlerts(told.alerts);
  const names = told.groups.map(({ name }) => name);
  const word = what === "tokens" ? "Tokens" : "Requests";
  byId("usage-chart").replaceChildren(legend(names), bars(told, names, WHAT[what], word, byId("usage").clientWidth - 40));
  byId("usage-sums").replaceChildren(sums(told));
  byId("usage-numbers").replaceChildren(numbers(told, names, WHAT[what]));
  byId("usage-empty").hidden = told.groups.length > 0;
  byId("usage-chart").hidden = byId("usage-table").hidden = byId("usage-details").hidden = !told.groups.length;
  byId("usage-dropped").hidden = !told.dropped;
  byId("usage-dropped").textContent = `${number(told.dropped)} requests found no room in the log while the database could not be written.`;
}

const row = (cells, tag = "td") => make("tr", {}, ...cells.map((cell, index) =>
  make(index ? tag : "th", index ? {} : { scope: "row" }, ...[cell].flat())));


const times = (group, what) => (group[`${what}_p50`] == null ? "–" : `${seconds(group[`${what}_p50`])} / ${seconds(group[`${what}_p95`])}`);


const sumOf = (counts, what) => Object.values(counts).reduce((sum, one) => sum + one[what], 0);

/** The specification's table, of real traffic: one line each, and the sum. */
function sums({ groups, total, by, first_choices: firsts }) {
  const isByProvider = by === "provider";
  const line = (name, group, first) => row([
    name ?? "nobody",
    number(group.requests),
    share(group.errors, group.requests),
    share(group.rotated, group.requests),
    ...(isByProvider ? [share(first?.rotated, first?.requests)] : []),
    number(group.prompt),
    number(group.completion) + (group.estimated ? ` (+ ~${number(group.estimated)})` : ""),
    times(group, "first_s"),
    times(group, "total_s"),
    rate(group.tokens_per_s_p50),
    price(group) + (group.unpriced ? ` · ${number(group.unpriced)} unlisted` : ""),
  ]);
  const lines = groups.map((group) => line(group.name, group, firsts[group.name]));
  if (groups.length > 1) lines.push(line("All", total, { requests: sumOf(firsts, "requests"), rotated: sumOf(firsts, "rotated") }));
  return make("table", {},
    head([by[0].toUpperCase() + by.slice(1), "Requests", "Errors", "Stood in", ...(isByProvider ? ["Passed on"] : []), "Tokens in", "Tokens out", "First token p50 / p95", "Whole p50 / p95", "Tokens/s", "Cost"]),
    make("tbody", {}, ...lines));
}

function numbers(told, names, value) {
  const at = new Map();
  for (const entry of told.series) at.set(`${entry.at} ${names.indexOf(entry.name)}`, value(entry));
  const used = told.starts.filter((one) => told.series.some((entry) => entry.at === one));
  return make("table", {}, head(["Time", ...names.map((name) => name ?? "nobody")]), make("tbody", {}, ...used.map((one) =>
    row([momentText(one, told.step), ...names.map((_, index) => number(at.get(`${one} ${index}`) ?? 0))]))));
}
