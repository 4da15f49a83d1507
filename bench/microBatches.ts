/**
 * One batch computed whole and as 2, 4, … micro-batches whose gradients are summed, interleaved in one session:
 *   npx tsx bench/microBatches.ts --model FOLDER [--method full] [--batch 32] [--tokens 128] [--parts 1,2,4,8]
 * Prints the fastest step of each in milliseconds, by the clock and of the processor. Memory only grows: its peak is that of the largest
 * micro-batch, so give one `--parts` at a time to compare it.
 */
import { parseArgs } from 'node:util';
import { chunks, collate } from '../src/data/batch.ts';
import { methods } from '../src/methods/index.ts';
import { openClassifierTrainer, rowOf, timeStep } from './minilm.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    method: { type: 'string', default: 'full' },
    batch: { type: 'string', default: '32' },
    tokens: { type: 'string', default: '128' },
    parts: { type: 'string', default: '1,2,4,8' },
    rounds: { type: 'string', default: '8' },
    threads: { type: 'string', default: '2' },
    dropout: { type: 'string', default: '0.1' },
  },
});
const [batch, tokens, rounds, threads] = [values.batch, values.tokens, values.rounds, values.threads].map(Number) as [
  number,
  number,
  number,
  number,
];
const name = values.method as 'full' | 'lora';
const trainer = await openClassifierTrainer({
  folder: values.model!,
  method: methods[name].settings.parse({ name }),
  dropout: Number(values.dropout),
  threads,
});
const rows = Array.from({ length: batch }, (_, row) => rowOf(tokens, row));
const kinds = values.parts.split(',').map((parts) => ({
  parts: Number(parts),
  batches: chunks(rows, Math.ceil(batch / Number(parts))).map((part) => collate(part, 0)),
  times: [] as Awaited<ReturnType<typeof timeStep>>[],
}));
let step = 0;
for (let round = 0; round < rounds; round++) {
  for (const { batches, times } of kinds) {
    step += 1;
    times.push(await timeStep(trainer, batches, step));
  }
}
for (const { parts, times } of kinds) {
  const fastest = (kind: 'clock' | 'processor'): number => Math.round(Math.min(...times.map((time) => time[kind])));
  console.log(JSON.stringify({ parts, fastest_ms: fastest('clock'), processor_ms: fastest('processor') }));
}
console.log(
  JSON.stringify({
    method: name,
    batch,
    tokens,
    peak_memory_megabytes: Math.round(process.resourceUsage().maxRSS / 1000),
  }),
);
await trainer[Symbol.asyncDispose]();
