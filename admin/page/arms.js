// How the arms of a split choice compare, with the verdicts on answers side by side.

import { api, byId, head, isNews, make, number, price, rate, seconds, share } from "./dom.js";

const HEAD = ["Arm", "Requests", "Errors", "Passed on", "First token p50 / p95", "Tokens/s", "Cut short", "Cost", "Found better"];

export async function showArms(range) {
  const { arms } = await api("GET", `/admin/api/arms?range=${encodeURIComponent(range)}`);
  byId("arms").hidden = !arms.length;
  if (!isNews(byId("arms-table"), arms)) return;
  byId("arms-table").replaceChildren(make("table", {}, head(HEAD), make("tbody", {}, ...arms.map(line))));
}

function line(arm) {
  const cells = [
    number(arm.requests),
    share(arm.errors, arm.requests),
    share(arm.passed_on, arm.requests),
    arm.first_s_p50 == null ? "–" : `${seconds(arm.first_s_p50)} / ${seconds(arm.first_s_p95)}`,
    rate(arm.tokens_per_s_p50),
    share(arm.cut, arm.answered),
    price(arm),
    arm.judged ? `${number(arm.won)} of ${number(arm.judged)}` : "–",
  ];
  return make("tr", {}, make("th", { scope: "row" }, arm.name), ...cells.map((cell) => make("td", {}, cell)));
}
