/**
 * Greedy text of so many prompts at once; prints {"tokens_per_second"} of the fastest round, and the texts.
 *   npx tsx bench/attune/generation.ts --model FILE.gguf [--base-precision int4] [--rows 1] [--tokens 128] [--threads 2] [--rounds 3]
 */
import { parseArgs } from 'node:util';
import { generate } from '../../src/inference/generation/index.ts';
import { openWriter } from '../../src/inference/languageModel.node.ts';
import type { BasePrecision } from '../../src/models/nn/index.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    'base-precision': { type: 'string' },
    rows: { type: 'string', default: '1' },
    tokens: { type: 'string', default: '128' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
  },
});
const [rows, tokens, threads, rounds] = [values.rows, values.tokens, values.threads, values.rounds].map(Number) as [
  number,
  number,
  number,
  number,
];
const basePrecision = values['base-precision'] as BasePrecision | undefined;
await using writer = await openWriter({ folder: values.model! }, { threads, basePrecision });
const { tokenizer } = writer.source;
const inputIds = Array.from({ length: rows }, (_, i) => tokenizer.ids(`The history of number ${i} begins with`));
let best = 0;
let texts: string[] = [];
for (let round = 0; round < rounds; round++) {
  const started = performance.now();
  const found = await generate(writer.decoder, { inputIds }, { max_new_tokens: tokens });
  const made = found.reduce((sum, { tokens: one }) => sum + one.length, 0);
  best = Math.max(best, (made * 1000) / (performance.now() - started));
  texts = found.map(({ tokens: one }) => tokenizer.decode(one, { skipSpecial: true }));
}
console.log(JSON.stringify({ tokens_per_second: Number(best.toFixed(2)), texts }));
