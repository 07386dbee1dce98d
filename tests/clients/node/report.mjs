// Runs every check for every provider and prints what came of each as JSON.
// Called as: node <script> <base URL> <what tests/clients/scenarios.py holds, as JSON>

export const baseURL = process.argv[2];
export const s = JSON.parse(process.argv[3]);

export async function report(checks) {
  const outcomes = {};
  for (const [provider, models] of Object.entries(s.MODELS)) {
    outcomes[provider] = {};
    for (const [name, check] of Object.entries(checks)) {
      outcomes[provider][name] = await check(models, provider).catch((error) => ({
        raised: error.constructor.name,
        text: String(error.stack).slice(0, 2000),
      }));
    }
  }
  process.stdout.write(JSON.stringify(outcomes));
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
