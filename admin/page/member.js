// What a member sees: its own limits, and what it has used of them.

import { allowedText, gauges } from "./keys.js";
import { api, byId, say } from "./dom.js";

const EVERY_MS = 3000;

async function show() {
  if (document.hidden) return;
  try {
    const key = await api("GET", "/admin/api/me");
    say(byId("own-title"), `The key of ${key.name}`);
    say(byId("own-text"), `It ends in ${key.ending} and may ask ${allowedText(key)}.`);
    byId("limits").replaceChildren(...gauges(key));
    say(byId("own-error"), "");
  } catch (error) {
    say(byId("own-error"), error.message);
  }
}

byId("sign-out").addEventListener("click", async () => {
  await api("POST", "/admin/api/logout");
  location.reload();
});
setInterval(show, EVERY_MS);
show();
