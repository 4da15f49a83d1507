/**
 * Perplexity of a language model on the first tokens of texts, cut into blocks that are read alone; prints a JSON line:
 *   npx tsx bench/perplexity.ts --model TARGET --data FILE.jsonl [--base-precision fp32] [--tokens 6144] [--block 512]
 * bench/reference/perplexity.py does the same with Transformers.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { collate, IGNORED } from '../src/data/batch.ts';
import { openLanguageModel } from '../src/inference/languageModel.node.ts';
import type { BasePrecision } from '../src/models/nn/index.ts';
import { openTarget } from '../src/recipes/target.node.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    'base-precision': { type: 'string', default: 'fp32' },
    tokens: { type: 'string', default: '6144' },
    block: { type: 'string', default: '512' },
    threads: { type: 'string', default: '2' },
  },
});
const [tokens, block, threads] = [values.tokens, values.block, values.threads].map(Number) as [number, number, number];
const basePrecision = values['base-precision'] as BasePrecision;
const { artifact } = await openTarget(values.model!, new AbortController().signal);
await using model = await openLanguageModel(artifact, { threads, basePrecision });
const texts = readFileSync(values.data!, 'utf8').trim().split('\n');
const ids: number[] = [];
for (const line of texts) {
  if (ids.length >= tokens) break;
  ids.push(...model.source.tokenizer.encode(JSON.parse(line).text, { maxLength: Number.MAX_SAFE_INTEGER }).inputIds);
}
const total = { sum: 0, count: 0 };
for (let from = 0; from < tokens; from += block) {
  const inputIds = ids.slice(from, Math.min(from + block, tokens));
  const { lossSum, lossCount } = await model.scorer.score(
    collate([{ inputIds, labels: inputIds, label: IGNORED }], 0).feeds,
  );
  total.sum += lossSum;
  total.count += lossCount;
}
const loss = total.sum / total.count;
console.log(JSON.stringify({ basePrecision, tokens, block, loss, perplexity: Math.exp(loss) }));
