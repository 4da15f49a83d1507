/**
 * How far a method's default learning rate lies from better ones: each of several rates, measured on rows that neither the runs
 * learn from nor the table of methods is measured on. Goes on where it was interrupted.
 *   npm run build && npx tsx bench/methods/rates.ts --suite sst2|gsm8k --model MODEL --only NAME … [--times 0.3,1,3,10]
 *     [--data ../shared/data] [--parallel 1] [--threads 2] [--results bench/methods/rates.json]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { defaultLearningRate, methods as known } from '../../src/methods/index.ts';
import { methods } from './cells.ts';
import { atOnce, openPlace, placeOptions } from './place.ts';
import { type Rated, readRates, writeRates } from './results.ts';

const { values } = parseArgs({
  options: {
    ...placeOptions,
    times: { type: 'string', default: '0.3,1,3,10' },
    parallel: { type: 'string', default: '1' },
    results: { type: 'string', default: 'bench/methods/rates.json' },
  },
});
using place = openPlace({ ...values, isChoosing: true });
const { metric } = place.suite;

/** Two digits: 0.3 × 0.005 is 0.0015. */
function rateOf(method: string, times: number): number {
  const given = methods[method]!;
  return Number((defaultLearningRate(known[given.name].settings.parse(given)) * times).toPrecision(2));
}

const rated = readRates(values.results);
const isDone = (wish: Omit<Rated, 'quality'>): boolean =>
  rated.some(({ suite, method, rate }) => suite === wish.suite && method === wish.method && rate === wish.rate);
const wanted = values.only
  .filter((method) => !Object.hasOwn(place.suite.without, method))
  .flatMap((method) =>
    values.times
      .split(',')
      .map((times) => rateOf(method, Number(times)))
      .map((rate) => ({ method, rate })),
  )
  .map((wish) => ({ suite: values.suite!, ...wish }))
  .filter((wish) => !isDone(wish));

const qualityOf = (run: string): number => JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')).metrics[metric];

await atOnce(wanted, {
  parallel: Number(values.parallel),
  name: ({ method, rate }) => `${method} at ${rate}`,
  async each(wish) {
    const quality = await place.run(
      { method: wish.method, seed: 1, training: { learning_rate: wish.rate } },
      qualityOf,
    );
    rated.push({ ...wish, quality });
    writeRates(values.results, rated);
    console.log(JSON.stringify(rated.at(-1)));
  },
});
