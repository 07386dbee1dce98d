// What else is chosen: limits to keep to, the order of those that stand in, an app's own provider.

import { api, attempt, byId, countDown, duration, isNews, limitText, make, moment, number, refused, say, shortName } from "./dom.js";

const PRESETS = {
  provider: "As much as each provider’s free tier allows.",
  careful: "Far below the free limits, so that they last.",
  off: "Ask until a provider says no.",
};
const lines = new Map();

const put = (change) => api("PUT", "/api/user/preferences", change);

export function showLimits({ providers }) {
  for (const provider of providers.filter((p) => !p.unconfigured)) {
    if (!lines.has(provider.id)) {
      const line = { used: make("span"), next: make("span", { className: "next" }), more: make("span", { className: "muted small" }) };
      line.root = make("li", {}, make("p", {}, line.used, " ", line.next), line.more);
      lines.set(provider.id, line);
      byId("limits").append(line.root);
    }
    showLine(lines.get(provider.id), provider);
  }
}

function showLine(line, provider) {
  const { title, windows, pause, pauses, local } = provider;
  const minute = windows.find(({ name }) => name === "requests a minute");
  const name = shortName(title);
  say(line.used, minute
    ? `${name}: ${number(minute.used)} ${minute.used === 1 ? "request" : "requests"} used in last 60 s (limit ${number(minute.limit)} RPM).`
    : `${name}: ${local ? "no limit" : "no limit kept here"}.`);
  const freeAt = Math.max(0, pause?.ends_at ?? 0, ...windows.map((window) => window.free_at ?? 0));
  line.root.classList.toggle("waiting", freeAt > 0 || Boolean(pause));
  const no = refused(provider);
  if (no) countDown(line.next, 0, () => `${no}: see to it, then “Try again”`);
  else countDown(line.next, freeAt, (s) => (s ? `Next request available in ${duration(s)}` : minute || pause ? "Next request available now" : ""));
  const others = windows.filter((window) => window !== minute).map((window) => `${number(window.used)} of ${limitText(number(window.limit), window)}`);
  if (pause && pause.state !== "full") others.unshift(no ? `asked again${pause.ends_at ? ` at ${moment(pause.ends_at)}` : " then"}` : `Paused: ${pause.reason}${pause.ends_at ? ` until ${moment(pause.ends_at)}` : ""}`);
  for (const { model, reason, ends_at: until } of pauses) others.push(`${model} paused: ${reason}${until ? ` until ${moment(until)}` : ""}`);
  say(line.more, others.join(" · "));
}

export function showPreset({ preference }) {
  for (const radio of document.getElementsByName("preset")) {
    radio.checked = radio.value === preference.rate_preset;
  }
  say(byId("preset-text"), PRESETS[preference.rate_preset]);
}

byId("preset").addEventListener("change", ({ target }) => {
  attempt(() => put({ rate_preset: target.value }), () => `✓ Limits: ${target.parentElement.textContent.trim()}. ${PRESETS[target.value]}`);
});

let dragged = null;

export function showOrder({ providers, preference: { fallback, default_llm_provider: chosen } }) {
  if (dragged) return;
  const rest = providers.map(({ id }) => id).filter((id) => !fallback.includes(id));
  if (!isNews(byId("order"), [fallback, rest, chosen, providers.map((p) => p.unconfigured)])) return;
  const focused = document.activeElement?.closest?.("#order button, #order input")?.id;
  byId("order").replaceChildren(...[...fallback, ...rest].map((id) =>
    row(providers.find((provider) => provider.id === id), fallback.includes(id), id === chosen)));
  if (focused) byId(focused)?.focus();
}

function row(provider, takesPart, isChosen) {
  const hint = provider.unconfigured ? " · not set up" : isChosen ? " · your choice, asked first" : "";
  const name = shortName(provider.title);
  const check = make("input", { type: "checkbox", checked: takesPart, id: `part-${provider.id}` });
  check.addEventListener("change", saveOrder);
  const item = make("li", { draggable: true, data: { id: provider.id } },
    make("span", { className: "grip", aria: { hidden: "true" } }, "⠿"), check,
    make("label", { htmlFor: check.id }, provider.title, make("span", { className: "muted small" }, hint)),
    mover(name, provider.id, "up", "↑", -1), mover(name, provider.id, "down", "↓", 1));
  item.addEventListener("dragstart", (event) => {
    dragged = item;
    event.dataTransfer.effectAllowed = "move";
    item.classList.add("dragged");
  });
  item.addEventListener("dragover", (event) => {
    event.preventDefault();
    if (!dragged || dragged === item) return;
    const { top, height } = item.getBoundingClientRect();
    item[event.clientY < top + height / 2 ? "before" : "after"](dragged);
  });
  item.addEventListener("drop", (event) => event.preventDefault());
  item.addEventListener("dragend", () => {
    item.classList.remove("dragged");
    dragged = null;
    saveOrder();
  });
  return item;
}

function mover(name, id, direction, sign, step) {
  const label = `Move ${name} ${direction}`;
  const button = make("button", { type: "button", className: "quiet", id: `${direction}-${id}`, aria: { label } }, sign);
  button.addEventListener("click", () => {
    const item = button.closest("li");
    if (step < 0) item.previousElementSibling?.before(item);
    else item.nextElementSibling?.after(item);
    button.focus();
    saveOrder();
  });
  return button;
}

function saveOrder() {
  const rows = [...byId("order").children];
  const order = rows.filter((item) => item.querySelector("input").checked).map((item) => item.dataset.id);
  const names = rows.filter((item) => order.includes(item.dataset.id)).map((item) => item.querySelector("label").firstChild.data);
  isNews(byId("order"), null); // what the server tells next is shown, be it the same as before
  if (order.length) attempt(() => put({ fallback: order }), () => `✓ Fallback order: ${names.map(shortName).join(", ")}.`);
  else attempt(() => { throw new Error("At least one provider must take part."); });
}

export function showApps({ apps, providers }) {
  if (byId("apps").contains(document.activeElement)) return;
  if (!isNews(byId("apps"), [apps, providers.map((p) => [p.id, p.unconfigured])])) return;
  byId("apps").replaceChildren(...apps.map((app) => appRow(app, providers)));
  if (!apps.length) byId("apps").append(make("li", { className: "muted" }, "No app has named itself yet."));
}

function appRow(app, providers) {
  const select = make("select", { id: `app-${app.id}` }, make("option", { value: "" }, "As chosen above"),
    ...providers.map(({ id, title }) => make("option", { value: id }, title)));
  select.value = app.provider ?? "";
  const path = `/api/user/preferences?app=${encodeURIComponent(app.id)}`;
  const home = make("input", { type: "checkbox", id: `home-${app.id}`, checked: app.local_only });
  home.addEventListener("change", () => attempt(
    () => api("PUT", path, { local_only: home.checked }),
    () => `✓ ${app.id}: its requests ${home.checked ? "stay on this machine and its networks" : "may go to any provider"}.`,
  ));
  select.addEventListener("change", () => {
    const title = select.selectedOptions[0].text;
    const asAbove = () => (app.local_only ? api("PUT", path, { default_llm_provider: null }) : api("DELETE", path));
    attempt(
      () => (select.value ? api("PUT", path, { default_llm_provider: select.value }) : asAbove()),
      () => `✓ ${app.id}: ${select.value ? `its requests will use ${shortName(title)}` : "as chosen above"}.`,
    );
  });
  const seen = app.last_at ? `${number(app.requests)} ${app.requests === 1 ? "request" : "requests"}, last at ${moment(app.last_at)}` : "not seen since the start";
  return make("li", {}, make("label", { htmlFor: select.id, className: "name" }, app.id), make("span", { className: "muted small" }, seen),
    make("label", { className: "small home", htmlFor: home.id, title: "Never sent to a cloud, whatever is chosen" }, home, " at home only"), select);
}
