// Keys for others: made and shown once, how much of each is used, changed, revoked.

import { api, attempt, byId, isNews, make, money, number, say } from "./dom.js";

const EVERY_MS = 3000;
const PATH = "/admin/api/keys";

/** Keep the list up to date; make, change and revoke. */
export function useKeys() {
  const show = () => {
    if (!document.hidden) api("GET", PATH).then(showKeys, () => {});
  };
  const form = byId("key");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { name, ...may } = asked(new FormData(form));
    if (changing != null) {
      attempt(async () => {
        await api("PATCH", pathOf(name), may);
        form.reset();
        show();
      }, () => `✓ The key of ${name} is changed.`);
      return;
    }
    attempt(async () => {
      const made = await api("POST", PATH, { name, ...may });
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
  form.addEventListener("reset", () => fill(form, null));
  byId("keys").addEventListener("click", ({ target }) => {
    const { change, revoke: name } = target.dataset;
    if (change != null) fill(form, listed.find((key) => key.name === change));
    if (name != null) attempt(async () => (await api("DELETE", pathOf(name)), name === changing && form.reset(), show()), () => `✓ The key of ${name} is revoked.`);
  });
  setInterval(show, EVERY_MS);
  show();
}

const counts = ["requests_per_minute", "tokens_per_minute", "dollars_a_day", "dollars_a_month"];
const lists = ["providers", "models"];
const pathOf = (name) => `${PATH}?name=${encodeURIComponent(name)}`;

let listed = [];
let changing = null;

/** Have the form change this key; null: make one. */
function fill(form, key) {
  changing = key?.name ?? null;
  form.elements.name.readOnly = changing != null;
  say(byId("key-title"), changing == null ? "Make a key" : `Change the key of ${changing}`);
  say(byId("key-submit"), changing == null ? "Make key" : "Change key");
  byId("key-cancel").hidden = changing == null;
  if (changing == null) return;
  for (const name of ["name", "role", ...counts]) form.elements[name].value = key[name] ?? "";
  for (const name of lists) form.elements[name].value = key[name].join(", ");
  byId("key-details").open = true;
  form.elements.requests_per_minute.focus();
}

function asked(fields) {
  return {
    name: fields.get("name").trim(),
    role: fields.get("role"),
    ...Object.fromEntries(counts.map((name) => [name, fields.get(name) ? Number(fields.get(name)) : null])),
    ...Object.fromEntries(lists.map((name) => [name, fields.get(name).split(",").map((one) => one.trim()).filter(Boolean)])),
  };
}

function showKeys({ keys }) {
  const there = keys.filter((key) => key.revoked_at == null);
  say(byId("keys-text"), keys.length ? "Whoever asks this server shows one of these keys, or one of POINTSMAN_API_KEYS." : "There are none. From the first one on, whoever asks this server has to show a key.");
  if (!isNews(byId("keys"), there)) return;  // what has the focus keeps it
  listed = there;
  byId("keys").replaceChildren(...there.map((key) => make("li", { data: { key: key.name } },
    make("p", {}, make("span", { className: "name" }, key.name), make("span", { className: "muted small" }, ` …${key.ending} · ${key.role} · ${allowedText(key)}`)),
    make("span", { className: "key-buttons" },
      make("button", { type: "button", className: "second small", data: { change: key.name }, aria: { label: `Change the key of ${key.name}` } }, "Change"),
      make("button", { type: "button", className: "second small", data: { revoke: key.name }, aria: { label: `Revoke the key of ${key.name}` } }, "Revoke"),
    ),
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
