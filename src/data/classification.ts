/** Rows to examples of text classification. */
import { type ColumnWishes, type FoundColumns, findColumns } from './columns.ts';
import { excerpt, type Problems, problemList } from './problems.ts';
import type { Fault, Row } from './row.ts';

export interface ClassificationExample {
  readonly text: string;
  readonly pair?: string;
  /** The label's name: 1 and '1' are one label, as are true and 'true'. Absent only where labels are optional. */
  readonly label?: string;
  readonly where: string;
}

export interface CheckedExamples extends Problems {
  readonly examples: readonly ClassificationExample[];
}

/** The examples that the rows give, beside the problems of the rows that give none. */
export function classificationExamples(rows: readonly Row[], wishes: ColumnWishes): CheckedExamples {
  const list = problemList();
  const examples: ClassificationExample[] = [];
  const found = rows.length === 0 ? [] : findColumns(rows, wishes);
  if (Array.isArray(found)) {
    for (const problem of found) list.add(problem);
  } else {
    for (const row of rows) {
      const { example, faults } = exampleOf(row, found, wishes.labels);
      if (faults.length === 0) examples.push(example);
      for (const fault of faults) list.add({ ...fault, line: row.line, where: row.where });
    }
  }
  return { examples, problems: list.problems, problemCount: list.problemCount };
}

function exampleOf(row: Row, columns: FoundColumns, labels: ColumnWishes['labels']) {
  const text = textOf(row, columns.text);
  const pair = columns.pair === undefined ? undefined : textOf(row, columns.pair);
  const label = columns.label === undefined ? undefined : labelOf(row, columns.label, labels);
  const example: ClassificationExample = {
    text: text.value ?? '',
    ...(pair?.value !== undefined && { pair: pair.value }),
    ...(label?.value !== undefined && { label: label.value }),
    where: row.where,
  };
  return { example, faults: [text, pair, label].flatMap((read) => read?.fault ?? []) };
}

interface Read {
  readonly value?: string;
  readonly fault?: Fault;
}

function textOf(row: Row, column: string): Read {
  const value = cellOf(row, column);
  if (typeof value !== 'string') return faulty(`the text in '${column}' ${kindOf(value)}`, 'give a text in quotes');
  if (value.trim() === '') return faulty(`the text in '${column}' is empty`, 'give the row a text, or remove the row');
  return { value };
}

function labelOf(row: Row, column: string, labels: ColumnWishes['labels']): Read {
  const value = cellOf(row, column);
  const isAbsent = value === undefined || value === null || (typeof value === 'string' && value.trim() === '');
  if (isAbsent && labels === 'optional') return {};
  if (isAbsent) {
    const found = typeof value === 'string' ? 'is empty' : kindOf(value);
    return faulty(`the label in '${column}' ${found}`, 'give the row a label, or remove the row');
  }
  if (typeof value === 'string') return { value: value.trim() };
  if (typeof value === 'boolean') return { value: String(value) };
  if (typeof value === 'number' && isExact(value)) return { value: String(value) };
  return faulty(`the label in '${column}' ${kindOf(value)}`, 'give one string, number or boolean');
}

/** JSON rounds large whole numbers, so that two labels could become one. */
const isExact = (value: number): boolean =>
  Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));

/** A column's name may be that of something which every object inherits, such as `constructor`. */
const cellOf = ({ values }: Row, column: string): unknown =>
  Object.hasOwn(values, column) ? values[column] : undefined;

const faulty = (problem: string, fix: string): Read => ({ fault: { code: 'DATA_VALUE', problem, fix } });

function kindOf(value: unknown): string {
  if (value === undefined) return 'is missing';
  if (value === null) return 'is null';
  const kind = Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
  return `is ${kind}: ${excerpt(typeof value === 'object' ? JSON.stringify(value) : String(value))}`;
}
