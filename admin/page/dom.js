// Small things that every part of the page uses. Text only ever becomes text nodes.

export const byId = (id) => document.getElementById(id);

/** An element: `props` are its properties, `data` and `aria` its attributes of these families. */
export function make(tag, { data = {}, aria = {}, ...props } = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  Object.assign(node.dataset, data);
  for (const [name, value] of Object.entries(aria)) node.setAttribute(`aria-${name}`, value);
  node.append(...children.filter((child) => child != null));
  return node;
}

/** Set the text only where it differs, so that selections and screen readers are left in peace. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const shown = new WeakMap();

/** Whether these facts are others than `node` shows; they count as shown then. */
export function isNews(node, facts) {
  const text = JSON.stringify(facts);
  if (shown.get(node) === text) return false;
  shown.set(node, text);
  return true;
}

/** Our own help texts: `code` in backticks, addresses as links. */
export function helpText(text) {
  return text.split(/(`[^`]+`|https:\/\/[^\s)]+)/).map((part) => {
    if (part.startsWith("`")) return make("code", {}, part.slice(1, -1));
    if (!part.startsWith("https://")) return part;
    return make("a", { href: part, target: "_blank", rel: "noreferrer" }, part.slice(8));
  });
}

/** Ask the server; the answer's JSON, or an Error with the server's own words. */
export async function api(method, path, body) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const told = await answer.json().catch(() => null);
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(told?.error?.message ?? `The server answered ${answer.status}.`);
  return told;
}

/** What does not pass by itself: its owner sees to it, and says so. */
export const REFUSED = { auth: "Key refused", account: "Account refused" };
export const refused = ({ pause }) => REFUSED[pause?.reason];

export const shortName = (title) => title.replace(/ \(.*\)$/, "");

/** A limit in words, with how much of it: `as reported` is what the provider itself reports. */
export function limitText(count, { name }, told = " (reported by the provider)") {
  const words = name.replace(", as reported", told);
  return `${count} ${count === "1" ? words.replace("s a ", " a ") : words}`;
}

export const number = (value) => value.toLocaleString("en");
/** Of so many how many, and the share of it. */
export const share = (part, whole) => (part ? `${number(part)} (${Math.round((100 * part) / whole)} %)` : "0");
export const rate = (perSecond, unit = "") => (perSecond == null ? "–" : `${number(Math.round(perSecond))}${unit}`);
/** The first line of a table. */
export const head = (cells) => make("thead", {}, make("tr", {}, ...cells.map((cell) => make("th", { scope: "col" }, cell))));

/** US dollars out of nano-dollars; null is unknown. */
export function money(nano) {
  if (nano == null) return "?";
  const dollars = nano / 1e9;
  return `$${dollars && dollars < 0.1 ? Number(dollars.toPrecision(2)) : dollars ? dollars.toFixed(2) : "0"}`;
}

/** What was paid, and where that is not all, what the price list says. */
export function price({ cost_nano_usd: cost, list_nano_usd: list }) {
  return cost === list ? money(cost) : `${money(cost)} (list ${money(list)})`;
}

export const seconds = (value) => {
  if (value < 0.1) return `${Math.round(value * 1000)} ms`;
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} s`;
};

/** "15 seconds", "1 min 5 s", "3 h 20 min". */
export function duration(s) {
  if (s < 60) return s === 1 ? "1 second" : `${s} seconds`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/** The time of day in the reader's zone, with the day where it is another one. */
export function moment(unix) {
  const at = new Date(unix * 1000);
  const today = at.toDateString() === new Date().toDateString();
  const day = today ? {} : { weekday: "short" };
  return at.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

const ticking = new Map();

/** Keep `node` saying `text(seconds left)` until `until`, then `text(0)`. Without `until`: once. */
export function countDown(node, until, text) {
  ticking.delete(node);
  if (until) ticking.set(node, { until, text });
  say(node, text(left(until)));
}

function left(until) {
  return until ? Math.max(0, Math.ceil(until - Date.now() / 1000)) : 0;
}

setInterval(() => {
  for (const [node, { until, text }] of ticking) {
    if (node.isConnected) say(node, text(left(until)));
    else ticking.delete(node);
  }
}, 250);

/** Say what happened: to be seen until dismissed, and once to a screen reader. */
export function notify(text, isGood = true) {
  byId("notice").className = `notice ${isGood ? "good" : "bad"}`;
  byId("notice").hidden = false;
  say(byId("notice-text"), text);
  byId("live").textContent = text;
}

let onTheirWay = 0;

/** Whether a change is on its way: what a status says of choices may be older than it. */
export const isChanging = () => onTheirWay > 0;

/** Do what was asked; tell of it, or of why it did not work. Then the document hears "changed". */
export async function attempt(action, done) {
  onTheirWay += 1;
  try {
    const told = await action();
    if (done) notify(done(told));
    return true;
  } catch (error) {
    notify(error.message, false);
    return false;
  } finally {
    onTheirWay -= 1;
    if (!isChanging()) document.dispatchEvent(new Event("changed"));
  }
}
