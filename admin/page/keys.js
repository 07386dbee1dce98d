// Keys for others: made and shown once, how much of each is used, revoked.

import { api, attempt, byId, make, money, number, say } from "./dom.js";

const EVERY_MS = 3000;
const PATH = "/admin/api/keys";

/** Keep the list up to date; make and revoke. */
export function useKeys() {
  const show = () => {
    if (!document.hidden) api("GET", PATH).then(showKeys, () => {});
  };
  const form = byId("key");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const made = await api("POST", PATH, asked(new FormData(form)));
      say(byId("new-key-text"), made.key);
      byId("new-key").hidden = false;
      form.reset();
      show();
      return made;
    }, ({ name }) => `✓ The key of ${name} is made. Copy it now: it is not shown again.`);
  });
  byId("new-key-copy").addEventListener("click", () => attempt(() => navigator.clipboard.writeText(byId("new-key-text").textContent), () => "✓ Copied."));
  byId("new-key-done").addEventListener("click", () => {
    say(byId("new-key-text"), "");
    byId("new-key").hidden = true;
  });
  byId("keys").addEventListener("click", ({ target }) => {
    const name = target.dataset.revoke;
    if (name != null) attempt(async () => (await api("DELETE", `${PATH}?name=${encodeURIComponent(name)}`), show()), () => `✓ The key of ${name} is revoked.`);
  });
  setInterval(show, EVERY_MS);
  show();
}

function asked(fields) {
  const counts = ["requests_per_minute", "tokens_per_minute", "dollars_a_day", "dollars_a_month"];
  const lists = ["providers", "models"];
  return {
    name: fields.get("name").trim(),
    role: fields.get("role"),
    ...Object.fromEntries(counts.map((name) => [name, fields.get(name) ? Number(fields.get(name)) : null])),
    ...Object.fromEntries(lists.map((name) => [name, fields.get(name).split(",").map((one) => one.trim()).filter(Boolean)])),
  };
}

let shown = "";

function showKeys({ keys }) {
  const there = keys.filter((key) => key.revoked_at == null);
  say(byId("keys-text"), keys.length ? "Whoever asks this server shows one of these keys, or one of POINTSMAN_API_KEYS." : "There are none. From the first one on, whoever asks this server has to show a key.");
  const state = JSON.stringify(there);
  if (state === shown) return;  // what has the focus keeps it
  shown = state;
  byId("keys").replaceChildren(...there.map((key) => make("li", { data: { key: key.name } },
    make("p", {}, make("span", { className: "name" }, key.name), make("span", { className: "muted small" }, ` …${key.ending} · ${key.role} · ${allowedText(key)}`)),
    make("button", { type: "button", className: "second small", data: { revoke: key.name }, aria: { label: `Revoke the key of ${key.name}` } }, "Revoke"),
    make("ul", { className: "limits" }, ...gauges(key)),
  )));
}

/** What a key may ask. */
export function allowedText({ providers, models }) {
  const all = [...providers, ...models];
  return all.length ? `only ${all.join(", ")}` : "all providers and models";
}

/** How much of each limit is used, and what is used where there is none. */
export function gauges(key) {
  const { minute, day, month } = key.used;
  const dollars = (amount) => (amount == null ? null : amount * 1e9);
  return [
    gauge("requests this minute", minute.requests, key.requests_per_minute, number),
    gauge("tokens this minute", minute.tokens, key.tokens_per_minute, number),
    gauge("today", day.cost_nano_usd, dollars(key.dollars_a_day), money),
    gauge("this month", month.cost_nano_usd, dollars(key.dollars_a_month), money),
    make("li", { className: "small" }, `today ${number(day.requests)} requests, ${number(day.tokens)} tokens, ${money(day.cost_nano_usd)}`),
  ].filter(Boolean);
}

function gauge(what, used, most, text) {
  if (most == null) return null;
  const words = `${text(used)} of ${text(most)} ${what}`;
  return make("li", { className: "small" }, make("span", {}, words), make("meter", { min: 0, max: most, value: Math.min(used, most), aria: { label: words } }));
}
