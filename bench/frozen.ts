/**
 * Epochs of a run whose lower layers are frozen, by the clock on the wall: events, logs and batches are part of them.
 *   npm run build && npx tsx bench/frozen.ts --model FOLDER --data FOLDER [--trainable head] [--epochs 6]
 * DATA holds train.jsonl. The first epoch computes the features of the frozen layers; the median of the others is told.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { train } from '../dist/index.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    trainable: { type: 'string', default: 'head' },
    epochs: { type: 'string', default: '6' },
    threads: { type: 'string', default: '2' },
    cache: { type: 'string', default: 'auto' },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'attune-bench-'));
const ends: number[] = [];
let rows = 0;
try {
  const recipe = {
    model: values.model!,
    task: 'text-classification',
    data: { train: join(values.data!, 'train.jsonl') },
    method: { name: 'freeze', trainable: values.trainable === 'head' ? 'head' : Number(values.trainable) },
    training: {
      num_train_epochs: Number(values.epochs),
      feature_cache: values.cache === 'auto' || values.cache === 'off' ? values.cache : Number(values.cache),
    },
    evaluation: { eval_strategy: 'no' },
    threads: Number(values.threads),
    output_dir: join(folder, 'run'),
  } as const;
  await train(recipe, {
    onEvent(event) {
      if (event.type === 'started') {
        rows = event.rows.train;
        ends.push(performance.now());
      }
      if (event.type === 'step' && event.lastOfEpoch) ends.push(performance.now());
    },
  });
  const rates = ends.slice(1).map((end, i) => Math.round((rows / (end - ends[i]!)) * 1000));
  const later = rates.slice(1).sort((a, b) => a - b);
  console.log(JSON.stringify({ ...values, model: undefined, data: undefined, rows, rates }));
  console.log(JSON.stringify({ laterMedian: later[Math.floor(later.length / 2)], fastest: later.at(-1) }));
} finally {
  rmSync(folder, { recursive: true });
}
