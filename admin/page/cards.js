// One card a provider: what one needs to choose, and the choice itself.

import { api, attempt, byId, countDown, duration, helpText, isNews, limitText, make, moment, number, rate, refused, say, seconds, shortName } from "./dom.js";

const SETTLE_MS = 400; // an arrow key passes over providers on its way to the one that is meant
const cards = new Map();
let settling = 0;
let byArrow = false;

byId("providers").addEventListener("keydown", ({ key }) => { byArrow = key.startsWith("Arrow"); });
byId("providers").addEventListener("pointerdown", () => { byArrow = false; });

export function showCards({ providers, preference }) {
  for (const provider of providers) {
    if (!cards.has(provider.id)) {
      cards.set(provider.id, newCard(provider));
      byId("providers").append(cards.get(provider.id).root);
    }
    update(cards.get(provider.id), provider, preference.default_llm_provider === provider.id && !Object.keys(preference.split).length, preference.rate_preset);
    cards.get(provider.id).root.classList.toggle("shared", provider.id in preference.split);
  }
}

/** What to do while nothing is set up that could answer but the small model, or nothing at all. */
export function showFirstRun({ providers, powered_by: by }) {
  const serving = providers.find(({ id }) => id === by?.provider);
  const isUp = serving && !serving.last_resort && serving.reachable !== false;
  const hasKey = providers.some((p) => p.key && !p.unconfigured);
  byId("first-run").hidden = Boolean(isUp) || hasKey || providers.some((p) => !p.unconfigured && p.reachable === null);
  if (byId("first-run").hidden) return;
  say(byId("first-run-text"), serving?.last_resort
    ? "A small model inside this program answers for now. For better answers, do one of these:"
    : "Do one of these, and your apps get answers:");
  const ways = providers.filter((p) => !p.last_resort || p.unconfigured);
  if (byId("first-run-ways").childElementCount === ways.length) return;
  byId("first-run-ways").replaceChildren(...ways.map((provider) => {
    const { button, result } = testButton(provider);
    const steps = make("p", {}, make("strong", {}, provider.title), ": ", ...setUp(provider));
    return make("li", {}, steps, make("div", { className: "test" }, button, result));
  }));
}

function setUp({ setup, unconfigured }) {
  return [...helpText(setup), unconfigured ? "; then restart pointsman." : "."];
}

function newCard(provider) {
  const name = shortName(provider.title);
  const card = {
    radio: make("input", { type: "radio", name: "provider", value: provider.id, id: `use-${provider.id}` }),
    pill: make("span", { className: "pill" }),
    about: make("p", { className: "about", id: `about-${provider.id}` }),
    meter: make("meter", { min: 0, id: `meter-${provider.id}` }),
    meterText: make("label", { className: "meter-text", htmlFor: `meter-${provider.id}` }),
    facts: make("dl"),
    model: make("select", { id: `model-${provider.id}` }),
    setup: make("p", { className: "setup" }, ...setUp(provider)),
    gone: make("p", { className: "small" }),
    error: make("p", { className: "error small" }),
    again: againButton(provider),
    ...testButton(provider),
  };
  card.radio.setAttribute("aria-describedby", card.about.id);
  card.radio.addEventListener("change", () => {
    clearTimeout(settling);
    settling = 0;
    if (!byArrow) return choose(card.provider);
    settling = setTimeout(() => {
      settling = 0;
      choose(card.provider);
    }, SETTLE_MS);
  });
  card.model.addEventListener("change", () => {
    const model = card.model.value;
    attempt(
      () => api("PUT", "/api/user/preferences", { models: { [provider.id]: model } }),
      () => `✓ ${name} now answers with ${model}.`,
    );
  });
  const title = make("label", { className: "title", htmlFor: card.radio.id }, provider.title);
  card.head = make("div", { className: "card-head" }, card.radio, title, card.pill);
  card.use = make("div", { className: "meter" }, card.meterText, card.meter);
  card.pick = make("div", { className: "pick" }, make("label", { htmlFor: card.model.id }, "Model", make("span", { className: "visually-hidden" }, ` of ${name}`)), card.model);
  card.root = make("div", { className: "card", role: "group", aria: { label: name }, data: { provider: provider.id } },
    card.head, card.about, card.setup, card.use, card.facts, card.pick, card.gone,
    make("div", { className: "test" }, card.again, card.button, card.result), card.error);
  return card;
}

function choose(provider) {
  const name = shortName(provider.title);
  attempt(
    () => api("PUT", "/api/user/preferences", { default_llm_provider: provider.id }),
    () => `✓ Provider switched to ${name}. All subsequent requests will use ${name}.${whileAway(provider)}`,
  );
}

function whileAway({ pause, reachable }) {
  if (!pause && reachable !== false) return "";
  return ` It ${pause ? "is paused" : "does not answer"} now: until it is back, the next in the fallback order stands in.`;
}

/** For what does not pass by itself: a refused key or account is asked again at once. */
function againButton(provider) {
  const name = shortName(provider.title);
  const button = make("button", { type: "button", className: "second small", hidden: true, aria: { label: `Try ${name} again` } }, "Try again");
  button.addEventListener("click", () => attempt(
    () => api("POST", "/admin/api/again", { provider: provider.id }),
    () => `✓ The next request may ask ${name} again.`,
  ));
  return button;
}

function testButton(provider) {
  const result = make("span", { className: "small", role: "status" });
  const label = `Test ${shortName(provider.title)}`;
  const button = make("button", { type: "button", className: "second small", aria: { label } }, "Test");
  button.addEventListener("click", async () => {
    button.disabled = true;
    result.className = "small";
    say(result, "Asking…");
    try {
      const { ok, detail } = await api("POST", "/admin/api/test", { provider: provider.id });
      result.classList.add(ok ? "fine" : "error");
      say(result, ok ? "✓ It answers." : `✗ ${detail}`);
    } catch (error) {
      say(result, `✗ ${error.message}`);
    }
    button.disabled = false;
    button.focus();
  });
  return { button, result };
}

function update(card, provider, isChosen, preset) {
  card.provider = provider;
  if (!settling) card.radio.checked = isChosen;
  card.radio.disabled = Boolean(provider.unconfigured) && !isChosen;
  card.root.classList.toggle("chosen", isChosen);
  card.root.classList.toggle("missing", Boolean(provider.unconfigured));
  card.again.hidden = !refused(provider);
  card.setup.hidden = !(provider.unconfigured || (provider.reachable === false && !provider.key));
  const isUnused = provider.reachable === false && !provider.speed.answers;
  card.pick.hidden = Boolean(provider.unconfigured);
  card.use.hidden = card.facts.hidden = Boolean(provider.unconfigured) || isUnused;
  say(card.about, about(provider, preset));
  showPill(card.pill, provider);
  showMeter(card, provider);
  showFacts(card.facts, provider);
  showModels(card.model, provider);
  say(card.gone, provider.gone ? `${provider.gone}.` : "");
  const error = provider.last_error;
  say(card.error, error ? `Last error ${moment(error.at)}: ${error.text}` : "");
}

/** Where the data goes, and what is free. */
function about(provider, preset) {
  if (provider.last_resort) return "A small model inside this program: free, works offline, for a first try.";
  if (provider.local) return `Free, unlimited, privacy-focused: prompts stay with your own ${shortName(provider.title)}.`;
  const limits = provider.windows.filter(({ name }) => name.startsWith("requests"));
  const allowed = [...new Set(limits.map((window) => limitText(number(window.limit), window, "")))];
  const free = allowed.length ? ` ${preset === "provider" ? "Free" : "Kept to"}: ${allowed.join(", ")}.` : "";
  const where = `Prompts leave this machine for ${shortName(provider.title)}’s servers.`;
  if (!provider.paid) return where + free;
  return `${where} It costs money: ${provider.in_rotation ? "you let it stand in for others." : "it answers where you choose or name it, and stands in for nobody."}`;
}

function showPill(pill, provider) {
  const state = provider.unconfigured ? "off"
    : refused(provider) ? "refused"
    : provider.loading.length || provider.pause?.reason === "loading" ? "waiting"
    : provider.pause ? "paused"
    : provider.reachable === false ? "bad"
    : provider.reachable ? "on" : "waiting";
  pill.dataset.state = state === "refused" ? "bad" : state;
  const words = { off: "Not set up", bad: "Does not answer", on: "Ready", waiting: "Checking…" };
  if (provider.loading.length) words.waiting = `Loading ${provider.loading[0].model}…`;
  if (state === "refused") words.refused = refused(provider);
  countDown(pill, provider.pause?.ends_at, (s) => words[state] ?? (s ? `Back in ${duration(s)}` : "Trying again"));
  pill.title = provider.pause?.reason || provider.unconfigured || provider.detail;
}

function showMeter({ meter, meterText }, provider) {
  const window = provider.windows[0];
  meter.hidden = !window;
  if (!window) return say(meterText, "No limit");
  Object.assign(meter, { max: window.limit, high: window.limit * 0.8, optimum: 0, value: window.used });
  say(meterText, `${number(window.used)} of ${limitText(number(window.limit), window)}`);
}

function showFacts(list, { speed, day, local, windows }) {
  const facts = [
    ["First token", speed.first_s == null ? "–" : seconds(speed.first_s)],
    ["Speed", rate(speed.tokens_per_s, " tokens/s")],
    ["Answer p50/p95", speed.p50_s == null ? "–" : `${seconds(speed.p50_s).replace(" s", "")} / ${seconds(speed.p95_s)}`],
    ["Left today", day ? number(day.left) : local && !windows.length ? "unlimited" : "–"],
  ];
  if (!isNews(list, facts)) return;
  list.replaceChildren(...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function showModels(select, { model, models }) {
  const names = models.length ? models : [model];
  if (document.activeElement !== select && isNews(select, names)) {
    select.replaceChildren(...names.map((name) => make("option", { value: name }, name)));
  }
  const shown = names.includes(model) ? model : `${model}:latest`;
  if (document.activeElement !== select || select.value !== shown) select.value = shown;
}
