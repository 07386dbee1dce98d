// The live status in, every part of the page kept in step with it.

import { showAliases } from "./aliases.js";
import { showCards, showFirstRun } from "./cards.js";
import { showApps, showLimits, showOrder, showPreset } from "./choices.js";
import { api, byId, isChanging, notify, say, shortName } from "./dom.js";
import { useKept } from "./kept.js";
import { useKeys } from "./keys.js";
import { usePlayground } from "./play.js";
import { showSplit } from "./split.js";
import { useUsage } from "./usage.js";

let status = null;
let know = null;
const known = new Promise((resolve) => (know = resolve));

/** A status from before a change would take it back on the page: none is shown until it is done. */
function arrived(news) {
  if (!isChanging()) show(news);
}

function show(news) {
  status = news;
  know();
  showPowered(news);
  showFirstRun(news);
  showCards(news);
  showSplit(news);
  showLimits(news);
  showPreset(news);
  showOrder(news);
  showApps(news);
  showAliases(news);
  const { problem } = news.store;
  byId("store-problem").hidden = !problem;
  say(byId("store-problem"), problem ? `${problem}. Requests go on; changes are not kept.` : "");
  const lost = news.lost;
  byId("lost-providers").hidden = !lost.length;
  say(byId("lost-providers"), lost.length ? `Chosen, but no longer set up: ${lost.join(", ")}. Others answer until it is back.` : "");
  const failed = news.background.problems;
  byId("background-problem").hidden = !failed.length;
  say(byId("background-problem"), failed.length ? `${failed.join("; ")}. Restart pointsman.` : "");
  const apart = news.shared.problem;
  byId("shared-problem").hidden = !apart;
  say(byId("shared-problem"), apart ? `${apart}.` : "");
  byId("sign-out").hidden = !news.signs_in;
  say(byId("version"), `pointsman ${news.version}`);
}

function showPowered({ powered_by: by, providers, vectors_by: vectors }) {
  const bar = byId("powered");
  bar.title = vectors ? `Vectors (/v1/embeddings) by ${vectors}` : "";
  if (!by) {
    bar.dataset.state = "off";
    say(byId("powered-text"), "Nothing can answer yet");
    return;
  }
  const provider = providers.find(({ id }) => id === by.provider);
  bar.dataset.state = provider.reachable === false || provider.pause ? "bad" : "on";
  if (by.instead_of && bar.dataset.state === "on") bar.dataset.state = "standin";
  const silent = provider.reachable === false ? " (does not answer)" : "";
  const instead = by.instead_of ? `, standing in for ${shortName(by.instead_of)}` : "";
  say(byId("powered-text"), `Powered by ${shortName(by.title)} · ${by.model}${silent}${instead}`);
  document.title = `${shortName(by.title)} · pointsman`;
}

function follow() {
  const feed = new EventSource("/admin/api/events");
  feed.addEventListener("status", (event) => arrived(JSON.parse(event.data)));
  feed.addEventListener("error", () => {
    byId("powered").dataset.state = "waiting";
    say(byId("powered-text"), "Connection lost, trying again…");
    if (feed.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  });
  addEventListener("pagehide", () => feed.close());
}

document.addEventListener("changed", () => api("GET", "/admin/api/status").then(arrived, () => {}));
byId("base-url").textContent = `${location.origin}/v1`;
byId("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(byId("base-url").textContent);
  notify("✓ Base URL copied.");
});
byId("sign-out").addEventListener("click", () => api("POST", "/admin/api/logout").finally(() => location.reload()));
byId("dismiss").addEventListener("click", () => {
  byId("notice").hidden = true;
  byId("main").focus({ preventScroll: true });
});
usePlayground(() => status, known);
useUsage(() => status);
useKept();
useKeys();
follow();
