/**
 * Share of padding that is left in an epoch when rows are sorted by length in groups of so many batches:
 *   npx tsx bench/padding.ts --model FOLDER --data FILE.jsonl [--groups 8,50,100,inf] [--batch 32] [--length 128]
 * Texts stand in the columns text, sentence1 and sentence2, or premise and hypothesis.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { chunks } from '../src/data/batch.ts';
import { longestFirst } from '../src/data/sampling.ts';
import { permutation, stream, uniform } from '../src/engine/random/index.ts';
import { readModelFolder } from '../src/inference/modelFolder.node.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    groups: { type: 'string', default: '8,50,100,inf' },
    batch: { type: 'string', default: '32' },
    length: { type: 'string', default: '128' },
  },
});
const [batchSize, maxLength] = [Number(values.batch), Number(values.length)] as const;
const { tokenizer } = await readModelFolder(values.model!);
const lengths = readFileSync(values.data!, 'utf8')
  .trim()
  .split('\n')
  .map((line) => {
    const row = JSON.parse(line) as Record<string, string>;
    const pair = row.sentence2 ?? row.hypothesis;
    const text = row.text ?? row.sentence1 ?? row.premise!;
    return tokenizer.encode(text, { maxLength, ...(pair !== undefined && { pair }) }).inputIds.length;
  });
const tokens = lengths.reduce((a, b) => a + b, 0);
const from = stream(42, 'shuffle');
const order = permutation(from, lengths.length);
const noisy = lengths.map((length, row) => length * (1 + 0.05 * (2 * uniform(from, row, 77) - 1)));

function padding(batches: readonly (readonly number[])[]): string {
  const places = batches.reduce((sum, batch) => sum + batch.length * Math.max(...batch.map((row) => lengths[row]!)), 0);
  return `${(100 * (1 - tokens / places)).toFixed(1)} %`;
}

const shares = values.groups.split(',').map((group) => {
  const rows = Math.min(lengths.length, group === 'inf' ? Number.POSITIVE_INFINITY : Number(group) * batchSize);
  const batches = chunks(order, rows).flatMap((members) => chunks(longestFirst(members, lengths), batchSize));
  return [`groups of ${group}`, padding(batches)] as const;
});
console.log(
  JSON.stringify({
    rows: lengths.length,
    random: padding(chunks(order, batchSize)),
    ...Object.fromEntries(shares),
    'whole epoch, lengths ± 5 %': padding(chunks(longestFirst(order, noisy), batchSize)),
  }),
);
