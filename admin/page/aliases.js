// Names of one's own for models: what an app asks for, and the model that it gets at each provider.

import { api, attempt, byId, isNews, make, shortName } from "./dom.js";

const put = (name, models) => api("PUT", "/api/user/preferences", { aliases: { [name]: models } });

/** Show the names; the form keeps what is being typed. */
export function showAliases({ providers, preference: { aliases } }) {
  if (!isNews(byId("aliases"), [aliases, providers.map(({ id, models }) => [id, models])])) return;
  byId("aliases").replaceChildren(...Object.entries(aliases).map(([name, models]) => row(name, models, providers)));
  if (!Object.keys(aliases).length) byId("aliases").append(make("li", { className: "muted" }, "No name yet."));
  showFields(providers);
}

function row(name, models, providers) {
  const remove = make("button", { type: "button", className: "second small", aria: { label: `Remove ${name}` } }, "Remove");
  remove.addEventListener("click", async () => {
    if (await attempt(() => put(name, null), () => `✓ ${name} is removed.`)) byId("alias").elements.alias.focus();
  });
  const title = (id) => shortName(providers.find((provider) => provider.id === id)?.title ?? id);
  const gets = Object.entries(models).map(([id, model]) => `${title(id)}: ${model}`).join(" · ");
  return make("li", {}, make("span", { className: "name" }, name), make("span", { className: "muted small" }, gets), remove);
}

function showFields(providers) {
  const fields = byId("alias-models");
  for (const { id, title, model, models } of providers) {
    const list = byId(`alias-list-${id}`) ?? make("datalist", { id: `alias-list-${id}` });
    list.replaceChildren(...models.map((name) => make("option", { value: name })));
    if (list.isConnected) continue;
    const input = make("input", { type: "text", name: id, maxLength: 128, placeholder: model, autocomplete: "off" });
    input.setAttribute("list", list.id);
    fields.append(make("label", {}, shortName(title), input, list));
  }
}

byId("alias").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const { alias, ...models } = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
  const isSaved = await attempt(() => {
    if (!Object.keys(models).length) throw new Error("Name a model of at least one provider.");
    return put(alias, models);
  }, () => `✓ Apps that ask for ${alias} get it.`);
  if (isSaved) form.reset();
});
