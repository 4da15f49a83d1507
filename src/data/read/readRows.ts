/** Files to rows, row by row, whatever the format. */
import { AttuneError } from '../../errors/index.ts';
import { type DataProblem, type Problems, problemList, problemOf } from '../problems.ts';
import { type Format, isProblem, type Row } from '../row.ts';
import { jsonArray } from './jsonArray.ts';
import { jsonLines } from './jsonLines.ts';
import { readLines } from './lines.ts';
import { plainText } from './plainText.ts';
import { csv, tsv } from './table.ts';
import type { TextSource } from './textSource.ts';

/** The formats by the ending of a file's name. */
const formats: Readonly<Record<string, Format>> = {
  '.jsonl': jsonLines,
  '.json': jsonArray,
  '.csv': csv,
  '.tsv': tsv,
  '.txt': plainText,
};

export const readableEndings: readonly string[] = Object.keys(formats);

export function isReadable(name: string): boolean {
  return formatOf(name) !== undefined;
}

/** The rows of a source. The first problem is thrown; `checkRows` collects them. */
export async function* readRows(source: TextSource): AsyncGenerator<Row> {
  for await (const item of scanRows(source)) {
    if (isProblem(item)) throw new AttuneError(item);
    yield item;
  }
}

export interface CheckedRows extends Problems {
  readonly rows: readonly Row[];
}

/** Reads a whole source and keeps what can be read, beside a list of what cannot. */
export async function checkRows(source: TextSource, example?: string): Promise<CheckedRows> {
  const rows: Row[] = [];
  const list = problemList();
  try {
    for await (const item of scanRows(source, example)) {
      if (isProblem(item)) list.add(item);
      else rows.push(item);
    }
  } catch (error) {
    list.add(problemOf(error));
  }
  return { rows, problems: list.problems, problemCount: list.problemCount };
}

const anyRow = '{"text": "…", "label": "…"}';

async function* scanRows(source: TextSource, example = anyRow): AsyncGenerator<Row | DataProblem> {
  const format = formatOf(source.name);
  if (format === undefined) throw unknownKind(source.name);
  let isEmpty = true;
  for await (const item of format(readLines(source), source.name, example)) {
    isEmpty = false;
    yield item;
  }
  if (isEmpty) throw noRows(source.name);
}

function formatOf(name: string): Format | undefined {
  const lower = name.toLowerCase();
  return Object.entries(formats).find(([ending]) => lower.endsWith(ending))?.[1];
}

function unknownKind(name: string): AttuneError {
  return new AttuneError({
    code: 'DATA_FILE',
    where: name,
    problem: 'the name says no format that is read',
    fix: `give a file that ends in ${readableEndings.join(', ')}`,
  });
}

function noRows(name: string): AttuneError {
  return new AttuneError({
    code: 'DATA_EMPTY',
    where: name,
    problem: 'the file has no rows',
    fix: 'add rows, or take the file out of the recipe',
  });
}
