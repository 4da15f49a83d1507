/** A language model that measures long texts: attention over some queries at a time, and the same loss. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { print } from '../../src/engine/graph/index.ts';
import { openLanguageModel } from '../../src/inference/languageModel.node.ts';
import { measureLanguage } from '../../src/recipes/evaluateLanguage.node.ts';
import { readGolden } from '../golden/fixtures.ts';

const folder = join(import.meta.dirname, '../golden/sft/model');
const { rows } = readGolden('sft/golden.json') as { rows: { input_ids: number[]; labels: number[] }[] };
const { signal } = new AbortController();

test('the loss does not depend on how long texts may be', async () => {
  const long = rows.flatMap(({ input_ids: ids }) => ids).slice(0, 150);
  const measured = [...rows, { input_ids: long, labels: long.map((id, at) => (at === 0 ? -100 : id)) }];
  const tokenRows = measured.map(({ input_ids: inputIds, labels }) => ({ inputIds, labels }));
  const losses: number[] = [];
  for (const longest of [undefined, 160, 4096]) {
    await using model = await openLanguageModel({ folder }, { threads: 1, ...(longest && { longest }) });
    expect(print([model.program.outputs.loss.sum]).includes('= attend ')).toBe(longest !== undefined);
    losses.push((await measureLanguage(tokenRows, { model, signal })).loss);
  }
  const [whole, ...parts] = losses;
  for (const loss of parts) expect(Math.abs(loss / whole! - 1)).toBeLessThan(1e-6);
});
