/** Rows to plain texts, for models that learn how text goes on. */
import { nearest } from '../../errors/index.ts';
import { excerpt, listed, type Problems, problemList } from '../problems.ts';
import type { Fault, Row } from '../row.ts';

export interface TextExample {
  readonly text: string;
  /** `path:line` */
  readonly where: string;
}

export interface CheckedTexts extends Problems {
  readonly texts: readonly TextExample[];
}

/** A row, for who wrote something else. */
export const textExample = '{"text": "…"}';

/** The texts of one column, beside the problems of the rows that have none. */
export function readTexts(rows: readonly Row[], column = 'text'): CheckedTexts {
  const list = problemList();
  const texts: TextExample[] = [];
  for (const row of rows) {
    const text = Object.hasOwn(row.values, column) ? row.values[column] : undefined;
    if (typeof text === 'string' && text.trim() !== '') texts.push({ text, where: row.where });
    else list.add({ ...faultOf(text, column, row), line: row.line, where: row.where });
  }
  return { texts, problems: list.problems, problemCount: list.problemCount };
}

function faultOf(text: unknown, column: string, { values }: Row): Fault {
  if (text === undefined) {
    const close = nearest(column, Object.keys(values));
    const problem = `there is no column '${column}'; there are: ${listed(Object.keys(values), 20)}`;
    return { code: 'DATA_COLUMN', problem, fix: `declare data.columns: {text: ${close ?? 'COLUMN'}}` };
  }
  const isEmpty = typeof text === 'string';
  const problem = isEmpty
    ? `the text in '${column}' is empty`
    : `the text in '${column}' is ${excerpt(JSON.stringify(text))}`;
  return { code: 'DATA_VALUE', problem, fix: isEmpty ? 'remove the row' : 'give a text in quotes' };
}
