/** What settings of methods take, in the words of their errors. */
import { expect, test } from 'vitest';
import { parseRecipe } from './parseRecipe.ts';

const smallest = { model: 'org/small', task: 'text-classification', data: { train: 'train.jsonl' } };

test.each([[{ name: 'vera', d_initial: 0 }, 'd_initial', 'give a number that is not 0: from 0 nothing learns']])(
  '%j is refused',
  (method, key, fix) => {
    expect(() => parseRecipe({ ...smallest, method }, '')).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', where: `method.${key}`, fix }),
    );
  },
);
