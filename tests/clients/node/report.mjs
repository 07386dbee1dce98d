// Runs every check for every provider and prints what came of each as JSON.
// Called as: node <script> <base URL> <what tests/clients/scenarios.py holds, as JSON>
//   [<address of a server whose models all fail, and which does how, as JSON>]

export const baseURL = process.argv[2];
export const s = JSON.parse(process.argv[3]);
export const root = baseURL.replace(/\/v1$/, "");

export async function report(checks, failing = {}) {
  const outcomes = {};
  for (const [provider, models] of Object.entries(s.MODELS)) {
    outcomes[provider] = await outcomesOf(checks, models, provider);
  }
  if (process.argv[4]) {
    const [url, models] = JSON.parse(process.argv[4]);
    outcomes.failing = await outcomesOf(failing, url, models);
  }
  process.stdout.write(JSON.stringify(outcomes));
}

async function outcomesOf(checks, ...given) {
  const outcomes = {};
  for (const [name, check] of Object.entries(checks)) {
    outcomes[name] = await check(...given).catch((error) => ({
      raised: error.constructor.name,
      text: String(error.stack).slice(0, 2000),
    }));
  }
  return outcomes;
}

export function weather({ city }) {
  return `sunny in ${city}`;
}

export function equal(actual, expected) {
  const [left, right] = [actual, expected].map((value) => JSON.stringify(value));
  if (left !== right) throw new Error(`${left} is not ${right}`);
}

export function afterOf(text) {
  return text.slice(text.lastIndexOf(" of ") + 4);
}
