/** Continued pretraining, or from scratch: plain texts, of which every token is learned. */
import { readTexts, type TextExample, textExample } from '../../../data/index.ts';
import { textRows } from '../../../data/text/textRows.ts';
import type { Recipe } from '../../schema/index.ts';
import type { Start } from '../../start.node.ts';
import type { PreparedData } from '../prepareData.node.ts';
import { prepareRows, type Reading, readSplits } from './languageData.node.ts';
import { languageModelTask } from './languageModel.ts';

export const causalLm = languageModelTask(prepare);

export const textReading = ({ columns }: Recipe['data']): Reading<TextExample> => ({
  example: textExample,
  read(rows) {
    const { texts: found, ...problems } = readTexts(rows, columns?.text);
    return { found, ...problems };
  },
  comparedOf: (example) => example,
});

async function prepare(recipe: Recipe, start: Start): Promise<PreparedData> {
  const { tokenizer } = start.source;
  const reading = textReading(recipe.data);
  const split = await readSplits(recipe, start, reading);
  const { lengths: _, ...data } = await prepareRows(recipe, start, {
    split,
    reading,
    encode: (texts, maxLength) => textRows(texts, { tokenizer, maxLength }),
  });
  return data;
}
