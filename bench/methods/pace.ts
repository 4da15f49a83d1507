/**
 * How long a step of each method takes beside one of LoRA: the same batches, methods in turns, the fastest of each step.
 *   npm run build && npx tsx bench/methods/pace.ts --suite sst2|gsm8k --model MODEL [--data ../shared/data]
 *     [--only NAME …] [--steps 6] [--rounds 2] [--threads 2] [--results bench/methods/pace.json]
 * Prints a line for each method, the median over the steps of its time over LoRA's, and keeps them for the page.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openPlace, placeOptions } from './place.ts';
import { readPaces, writePaces } from './results.ts';

const { values } = parseArgs({
  options: {
    ...placeOptions,
    steps: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '2' },
    results: { type: 'string', default: 'bench/methods/pace.json' },
  },
});
using place = openPlace(values);
// What is kept for later epochs is no part of a step.
const training = { max_steps: Number(values.steps), logging_steps: 1, save_strategy: 'no', feature_cache: 'off' };
const names = [...new Set(['lora', ...values.only])].filter((name) => !Object.hasOwn(place.suite.without, name));

/** Milliseconds a token, of every step. */
function paceOf(run: string): number[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.flatMap((line) => {
    const { tokens_per_second: rate } = JSON.parse(line);
    return rate ? [1000 / rate] : [];
  });
}

/** Pace of a few steps; a method that so few are too short for is named and left out. */
async function measure(method: string): Promise<number[] | undefined> {
  try {
    return await place.run({ method, seed: 1, training, evaluation: { eval_strategy: 'no' } }, paceOf);
  } catch (failure) {
    console.error(`${method}: ${(failure as { readonly stdout?: string }).stdout?.slice(-500) ?? failure}`);
    return undefined;
  }
}

const fastest = new Map<string, number[]>();
for (let round = 0; round < Number(values.rounds); round++) {
  for (const method of names) {
    const pace = await measure(method);
    const before = fastest.get(method) ?? pace;
    if (pace)
      fastest.set(
        method,
        pace.map((ms, step) => Math.min(ms, before![step]!)),
      );
  }
}
const lora = fastest.get('lora')!;
const paces = readPaces(values.results);
const own: Record<string, number> = { ...paces[values.suite!] };
for (const [method, pace] of fastest) {
  const ratios = pace.map((ms, step) => ms / lora[step]!).sort((a, b) => a - b);
  own[method] = ratios[ratios.length >> 1]!;
  console.log(JSON.stringify({ suite: values.suite, method, timesLora: own[method] }));
}
writePaces(values.results, { ...paces, [values.suite!]: own });
