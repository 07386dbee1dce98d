// What is left of today: each provider's use against its limits, and the alerts.

import { byId, limitText, make, money, moment, number, shortName } from "./dom.js";

/** One line a provider that is set up; `groups` are today's sums by provider. */
export function showToday({ groups }, status) {
  const used = new Map(groups.map((group) => [group.name, group]));
  const ready = (status?.providers ?? []).filter(({ id, unconfigured, last_resort: isLast }) => used.has(id) || !(unconfigured || isLast));
  byId("usage-today").replaceChildren(...ready.map((provider) => line(provider, used.get(provider.id))));
}

function line({ id, title, windows, pause, day, keys }, group) {
  const tokens = group ? group.prompt + group.completion + group.estimated : 0;
  const head = make("p", {}, make("strong", {}, shortName(title)),
    ` ${count(group?.requests ?? 0, "request")} and ${count(tokens, "token")} today${day ? `, ${count(day.left, "request")} left` : ""}`);
  const back = pause?.ends_at && pause.state !== "full"
    ? [make("span", { className: "next" }, `Back ${moment(pause.ends_at)}`)] : [];
  const meters = keys.length
    ? keys.flatMap((key, place) => ofKey(`today-${id}-key-${place}`, key))
    : windows.map((window, index) => meter(`today-${id}-${index}`, window));
  return make("li", {}, head, ...back, ...(meters.length ? meters : [make("span", { className: "muted small" }, "No limit.")]));
}

/** The gauges of one of several keys, which its last characters name. */
function ofKey(id, { name, windows, pause }) {
  const held = pause && pause.state !== "full" ? `: ${pause.reason}${pause.ends_at ? `, back ${moment(pause.ends_at)}` : ""}` : "";
  return [make("p", { className: "small" }, `Key ${name}${held}`), ...windows.map((window, index) => meter(`${id}-${index}`, window))];
}

function count(many, what) {
  return `${number(many)} ${what}${many === 1 ? "" : "s"}`;
}

function meter(id, window) {
  const back = window.free_at ? `, back ${moment(window.free_at)}` : "";
  return make("div", { className: "meter" },
    make("label", { className: "meter-text", htmlFor: id }, `${number(window.used)} of ${limitText(number(window.limit), window)}${back}`),
    make("meter", { id, min: 0, max: window.limit, high: window.limit * 0.8, optimum: 0, value: window.used }));
}

/** What is told of, and what was. */
export function showAlerts({ thresholds, webhook, raised }) {
  const percent = (share) => `${Math.round(share * 100)} %`;
  const set = [
    thresholds.day_quota && `${percent(thresholds.day_quota)} of a day’s quota`,
    thresholds.error_rate && `${percent(thresholds.error_rate)} errors in an hour`,
    thresholds.cost_usd && `${money(thresholds.cost_usd * 1e9)} a day`,
  ].filter(Boolean);
  const about = set.length
    ? [`Alerts at ${set.join(", ")}${webhook ? "; your webhook is notified." : "."}`]
    : ["No alert is set: ", make("code", {}, "POINTSMAN_ALERT_DAY_QUOTA"), ", ", make("code", {}, "…_ERROR_RATE"), " and ", make("code", {}, "…_COST_USD"), " set some."];
  byId("usage-alerts").replaceChildren(
    ...(raised.length ? [make("ul", { className: "alerts" }, ...raised.map((alert) =>
      make("li", {}, make("time", { dateTime: new Date(alert.at * 1000).toISOString() }, moment(alert.at)), ` ${alert.text}`)))] : []),
    make("p", { className: "muted small" }, ...about));
}
