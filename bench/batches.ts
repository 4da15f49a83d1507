/**
 * Ways to put real texts of unequal length into batches, interleaved step by step:
 *   npx tsx bench/batches.ts --model FOLDER --data FILE.jsonl [--method lora] [--steps 16] [--rounds 3]
 * Every way sees the same texts, in batches of 32. Prints for each the share of padding and the seconds for all of
 * them, by the clock and of the processor: the sum of the fastest time of each step.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type BatchFeeds, collate, type EncodedRow } from '../src/data/batch.ts';
import { collatePacked, packRows } from '../src/data/packing.ts';
import { cutByTokens, longestFirst, type SamplingOptions, sampleBatches } from '../src/data/sampling.ts';
import { stream } from '../src/engine/random/index.ts';
import { readModelFolder } from '../src/inference/modelFolder.node.ts';
import { methods } from '../src/methods/index.ts';
import { packedInputs } from '../src/models/nn/index.ts';
import { openClassifierTrainer, timeStep } from './minilm.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    method: { type: 'string', default: 'lora' },
    batch: { type: 'string', default: '32' },
    length: { type: 'string', default: '128' },
    steps: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
  },
});
const [batchSize, maxLength, steps, rounds] = [values.batch, values.length, values.steps, values.rounds].map(
  Number,
) as [number, number, number, number];
const name = values.method as 'full' | 'lora';
const opening = {
  folder: values.model!,
  method: methods[name].settings.parse({ name }),
  dropout: 0.1,
  threads: Number(values.threads),
};
const plain = await openClassifierTrainer(opening);
const packing = await openClassifierTrainer({ ...opening, batch: packedInputs() });

const { tokenizer, description } = await readModelFolder(values.model!);
const lines = readFileSync(values.data!, 'utf8')
  .trim()
  .split('\n')
  .slice(0, batchSize * steps);
const rows = lines.map((line, i): EncodedRow => {
  const { text } = JSON.parse(line) as { text: string };
  return { ...tokenizer.encode(text, { maxLength }), label: i % 2 };
});
const lengths = rows.map(({ inputIds }) => inputIds.length);
const membersOf = (numbers: readonly number[]): EncodedRow[] => numbers.map((row) => rows[row]!);
const padded = (numbers: readonly number[]): BatchFeeds => collate(membersOf(numbers), tokenizer.padTokenId);
const sampled = (strategy: SamplingOptions['strategy']): number[][] =>
  sampleBatches({ lengths, size: { rows: batchSize }, strategy, stream: stream(1, 'shuffle'), epoch: 0 });
const cut = (numbers: readonly number[], limit: number): BatchFeeds[] =>
  cutByTokens(longestFirst(numbers, lengths), lengths, { tokens: limit }).map(padded);

const ways = {
  'random, padded': { trainer: plain, batches: sampled('random').map((batch) => [padded(batch)]) },
  'random, in parts of 1024': { trainer: plain, batches: sampled('random').map((batch) => cut(batch, 1024)) },
  'random, in parts of 512': { trainer: plain, batches: sampled('random').map((batch) => cut(batch, 512)) },
  'random, packed': {
    trainer: packing,
    batches: sampled('random').map((batch) => [
      collatePacked(packRows(batch, lengths).map(membersOf), tokenizer.padTokenId),
    ]),
  },
  'by length': { trainer: plain, batches: sampled('group_by_length').map((batch) => [padded(batch)]) },
};
const never = { clock: Number.POSITIVE_INFINITY, processor: Number.POSITIVE_INFINITY };
const fastest = Object.fromEntries(Object.keys(ways).map((way) => [way, new Array<typeof never>(steps).fill(never)]));
for (let round = 0; round < rounds; round++) {
  for (let step = 0; step < steps; step++) {
    for (const [way, { trainer, batches }] of Object.entries(ways)) {
      const { clock, processor } = await timeStep(trainer, batches[step]!, round * steps + step + 1);
      const best = fastest[way]![step]!;
      fastest[way]![step] = { clock: Math.min(best.clock, clock), processor: Math.min(best.processor, processor) };
    }
  }
}
console.log(JSON.stringify({ model: description.architecture.modelType, method: name, texts: rows.length }));
for (const [way, { batches }] of Object.entries(ways)) {
  const all = batches.flat();
  const places = all.reduce((sum, { feeds }) => sum + feeds.input_ids!.data.length, 0);
  const tokens = all.reduce((sum, batch) => sum + batch.tokens, 0);
  const seconds = (kind: keyof typeof never): number =>
    Number((fastest[way]!.reduce((sum, times) => sum + times[kind], 0) / 1000).toFixed(2));
  const padding = Number((1 - tokens / places).toFixed(3));
  console.log(JSON.stringify({ way, padding, seconds: seconds('clock'), processor_seconds: seconds('processor') }));
}
for (const trainer of [plain, packing]) await trainer[Symbol.asyncDispose]();
