/** JSON Lines: an object a line. */
import { AttuneError } from '../../errors/index.ts';
import type { DataProblem } from '../problems.ts';
import { problemAt, type Row, row } from '../row.ts';
import { parseObject } from './json.ts';
import type { Line } from './lines.ts';

export async function* jsonLines(lines: AsyncIterable<Line>, name: string): AsyncGenerator<Row | DataProblem> {
  let isFirst = true;
  for await (const { text, number } of lines) {
    if (text.trim() === '') continue;
    if (isFirst) refuseArray(text, name, number);
    isFirst = false;
    const parsed = parseObject(text);
    yield 'fault' in parsed ? problemAt(name, number, parsed.fault) : row(parsed.values, name, number);
  }
}

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
