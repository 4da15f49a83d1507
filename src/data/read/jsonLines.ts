/** JSON Lines: an object a line. */
import { AttuneError } from '../../errors/index.ts';
import { type Format, problemAt, row } from '../row.ts';
import { parseObject } from './json.ts';

export const jsonLines: Format = async function* (lines, name, example) {
  let isFirst = true;
  for await (const { text, number } of lines) {
    if (text.trim() === '') continue;
    if (isFirst) refuseArray(text, name, number);
    isFirst = false;
    const parsed = parseObject(text, example);
    yield 'fault' in parsed ? problemAt(name, number, parsed.fault) : row(parsed.values, name, number);
  }
};

/** Read on, a whole array would give a problem a line. */
function refuseArray(text: string, name: string, number: number): void {
  if (!/^\s*\[\s*(?:\{|$)/.test(text)) return;
  throw new AttuneError({
    code: 'DATA_SYNTAX',
    where: `${name}:${number}`,
    problem: 'the file starts with [, as one JSON array does, and not with an object on each line',
    fix: 'name the file .json, or write one object a line',
  });
}
