/** Which columns of the rows a classification task reads. */
import { AttuneError, nearest } from '../errors/index.ts';
import { type DataProblem, listed } from './problems.ts';
import type { Row } from './row.ts';

/** Columns by their use, where they do not have the usual names. */
export interface ClassificationColumns {
  readonly text?: string | undefined;
  readonly pair?: string | undefined;
  readonly label?: string | undefined;
}

/** The columns that are read; without `label`, the rows have none. */
export interface FoundColumns {
  readonly text: string;
  readonly pair?: string | undefined;
  readonly label?: string | undefined;
}

export interface ColumnWishes {
  readonly columns?: ClassificationColumns | undefined;
  /** `required` to learn and to measure; `optional` to predict. */
  readonly labels: 'required' | 'optional';
}

const usualPairs = [
  ['sentence1', 'sentence2'],
  ['premise', 'hypothesis'],
  ['text_a', 'text_b'],
] as const;
const uses = ['text', 'pair', 'label'] as const;

/** Finds the columns of one row or more, or says which are missing. A column is there when one row has it. */
export function findColumns(rows: readonly Row[], wishes: ColumnWishes): FoundColumns | DataProblem[] {
  const { columns = {}, labels } = wishes;
  checkWishes(columns);
  const present = new Set<string>();
  for (const { values } of rows) for (const name of Object.keys(values)) present.add(name);
  const texts = textColumns(columns, present);
  const label = columns.label ?? 'label';
  const isNeeded = labels === 'required' || columns.label !== undefined;
  const wanted = { ...texts, label: isNeeded || present.has(label) ? label : undefined };
  const missing = uses.filter((use) => wanted[use] !== undefined && !present.has(wanted[use]));
  if (missing.length === 0) return wanted;
  return missing.map((use) => missingColumn(use, wanted[use]!, { columns, present, first: rows[0]! }));
}

/** A declared column is taken at its word; else `text` comes before the usual pairs. */
function textColumns(columns: ClassificationColumns, present: ReadonlySet<string>): Omit<FoundColumns, 'label'> {
  const { text, pair } = columns;
  if (text !== undefined || pair !== undefined || present.has('text')) return { text: text ?? 'text', pair };
  const usual = usualPairs.find(([first, second]) => present.has(first) && present.has(second));
  return usual === undefined ? { text: 'text' } : { text: usual[0], pair: usual[1] };
}

interface MissingFrom {
  readonly columns: ClassificationColumns;
  readonly present: ReadonlySet<string>;
  readonly first: Row;
}

function missingColumn(use: (typeof uses)[number], name: string, from: MissingFrom): DataProblem {
  const { columns, present, first } = from;
  const known = [...present];
  const close = nearest(name, known);
  const there = known.length === 0 ? 'the rows are empty' : `there are: ${listed(known, 20)}`;
  const orPair = use === 'text' && columns.text === undefined ? ', and no pair such as sentence1, sentence2' : '';
  const declared = columns[use] === undefined ? 'declare' : 'mend';
  return {
    code: 'DATA_COLUMN',
    line: first.line,
    where: first.where,
    problem: `there is no column '${name}'${orPair}; ${there}`,
    fix: `${declared} data.columns: {${use}: ${close ?? 'COLUMN'}}`,
  };
}

/** The recipe's schema refuses these too; here it is for those who call this room from code. */
function checkWishes(columns: ClassificationColumns): void {
  for (const [use, name] of Object.entries(columns)) {
    const where = `data.columns.${use}`;
    if (!(uses as readonly string[]).includes(use)) {
      const close = nearest(use, uses);
      const fix = `${close === undefined ? '' : `did you mean ${close}? `}give some of: ${uses.join(', ')}`;
      throw new AttuneError({ code: 'CONFIG_UNKNOWN_KEY', where, problem: 'no such use of a column', fix });
    }
    if (name !== undefined && typeof name !== 'string') {
      const fix = 'give one column name; a second text goes under pair: {text: COLUMN, pair: OTHER_COLUMN}';
      throw new AttuneError({ code: 'CONFIG_INVALID', where, problem: `got ${JSON.stringify(name)}`, fix });
    }
  }
  const names = uses.flatMap((use) => columns[use] ?? []);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return;
  const problem = `column '${twice}' is declared for two uses`;
  throw new AttuneError({
    code: 'CONFIG_INVALID',
    where: 'data.columns',
    problem,
    fix: 'give each use its own column',
  });
}
