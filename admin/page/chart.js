// Bars over time, drawn as SVG. The numbers behind them are in a table of their own.

import { make, number } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 220, LEFT = 52, RIGHT = 6, TOP = 10, BOTTOM = 26, LABEL = 80;

function draw(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const WORDS = {
  hour: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  day: { day: "numeric", month: "short" },
  month: { month: "short", year: "numeric" },
};

/** When a bar begins, in words. */
export function momentText(at, step) {
  return new Date(at * 1000).toLocaleString([], WORDS[step]);
}

/** The same below the bars; an hour of a single day needs no date. */
function scaleText(at, { step, starts }) {
  const how = step === "hour" && starts.length <= 25 ? { hour: "2-digit" } : WORDS[step];
  return new Date(at * 1000).toLocaleString([], how);
}

/** A round number at or above `value`, for the top of the scale. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 4, 5, 10].map((one) => one * power).find((one) => one >= value);
}

const short = new Intl.NumberFormat("en", { notation: "compact" });

/** Stacked bars, `room` pixels wide: `value(entry)` of each entry, in the order of `names`. */
export function bars(told, names, value, label, room) {
  const { starts } = told;
  const sums = new Map(starts.map((at) => [at, 0]));
  for (const entry of told.series) sums.set(entry.at, (sums.get(entry.at) ?? 0) + value(entry));
  const top = ceiling(Math.max(...sums.values(), 1));
  const y = (amount) => HEIGHT - BOTTOM - (amount / top) * (HEIGHT - TOP - BOTTOM);
  const width = (room - LEFT - RIGHT) / starts.length;
  const every = Math.ceil(starts.length / Math.max(1, Math.floor((room - LEFT) / LABEL)));
  const places = new Map(starts.map((at, index) => [at, LEFT + index * width]));
  const x = (at) => places.get(at);
  const total = [...sums.values()].reduce((a, b) => a + b, 0);
  return draw("svg", { viewBox: `0 0 ${room} ${HEIGHT}`, role: "img", class: "chart", "aria-label": `${label}: ${number(total)} in all; the numbers are in the table below` },
    ...[0, 0.5, 1].flatMap((part) => [
      draw("line", { x1: LEFT, x2: room - RIGHT, y1: y(part * top), y2: y(part * top), class: "grid" }),
      draw("text", { x: LEFT - 8, y: y(part * top) + 4, class: "scale" }, short.format(part * top)),
    ]),
    ...stacks(told, names, value, { x, y, width, step: told.step }),
    ...starts.filter((at, index) => index % every === 0 && x(at) + width / 2 < room - LABEL / 3).map((at) =>
      draw("text", { x: x(at) + width / 2, y: HEIGHT - 8, class: "moment" }, scaleText(at, told))),
  );
}

function stacks({ series }, names, value, { x, y, width, step }) {
  const below = new Map();
  const ordered = [...series].sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
  return ordered.filter((entry) => value(entry) > 0).map((entry) => {
    const from = below.get(entry.at) ?? 0;
    const to = from + value(entry);
    below.set(entry.at, to);
    const title = `${momentText(entry.at, step)}, ${entry.name ?? "nobody"}: ${number(value(entry))}`;
    return draw("rect", {
      x: x(entry.at) + width * 0.12, width: Math.max(width * 0.76, 1), y: y(to), height: Math.max(y(from) - y(to), 0.5),
      class: `series-${names.indexOf(entry.name) % 6}`,
    }, draw("title", {}, title));
  });
}

/** What the colours mean. */
export function legend(names) {
  return make("ul", { className: "legend" }, ...names.map((name, index) =>
    make("li", {}, make("span", { className: `swatch series-${index % 6}` }), name ?? "nobody")));
}

const TIMELINE = 720, BAR = 8, LINE = 16;

/** A request's attempts one below the other, from its begin to its end; what was waited is grey. */
export function timeline({ story, total_s }) {
  const scale = (seconds) => (seconds / Math.max(total_s, 0.001)) * TIMELINE;
  let began = 0;
  const rows = story.tries.flatMap((one, index) => {
    const y = BAR + index * LINE;
    const asked = Math.min(began + one.waited_s, one.ended_s);
    const end = one.reason ? one.ended_s : total_s;
    const made = [
      draw("rect", { x: scale(began), width: scale(asked) - scale(began), y, height: BAR, class: "wait" }),
      draw("rect", { x: scale(asked), width: Math.max(scale(end) - scale(asked), 2), y, height: BAR, class: one.reason ? "failed" : "series-0" }),
    ];
    began = one.ended_s;
    return made;
  });
  const height = BAR + story.tries.length * LINE;
  return draw("svg", { viewBox: `0 0 ${TIMELINE} ${height}`, class: "timeline", "aria-hidden": "true" }, ...rows);
}
