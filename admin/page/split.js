// A choice that is split: which share of all talks each provider has.

import { api, attempt, byId, isNews, make, say, shortName } from "./dom.js";

export function showSplit({ providers, preference: { split } }) {
  const ready = providers.filter(({ id, unconfigured }) => !unconfigured || split[id]);
  const isSplit = Object.keys(split).length > 0;
  const name = (id) => shortName(providers.find((provider) => provider.id === id)?.title ?? id);
  say(byId("split-text"), isSplit
    ? `Shared out: ${Object.entries(split).map(([id, share]) => `${name(id)} ${share}`).join(", ")}`
    : "Share talks out over several");
  byId("split-details").hidden = ready.length < 2 && !isSplit;
  if (byId("split-shares").contains(document.activeElement)) return;
  if (!isNews(byId("split-shares"), [split, ready.map(({ id }) => id)])) return;
  byId("split-shares").replaceChildren(...ready.map(({ id, title }) => make("label", {}, shortName(title),
    make("input", { type: "number", name: id, min: 0, max: 10000, step: 1, value: split[id] ?? 0 }))));
}

byId("split").addEventListener("submit", (event) => {
  event.preventDefault();
  const inputs = [...byId("split-shares").querySelectorAll("input")].filter(({ value }) => Number(value) > 0);
  const split = Object.fromEntries(inputs.map(({ name, value }) => [name, Number(value)]));
  const words = inputs.map((input) => `${input.parentElement.firstChild.data} ${input.value}`);
  document.activeElement?.blur();
  attempt(() => api("PUT", "/api/user/preferences", { split }), () => `✓ Talks are shared out: ${words.join(", ")}.`);
});
