import { readTexts, textExample } from '../../data/index.ts';
import type { CheckedTask } from './task.ts';

export const textCheck: CheckedTask = {
  example: textExample,
  read(rows, { columns }) {
    const { texts, ...problems } = readTexts(rows, columns?.text);
    return { ...problems, examples: texts };
  },
};
