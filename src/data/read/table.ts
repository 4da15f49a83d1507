/** CSV and TSV with a header. Records are cut at line ends outside quotes: each has its line. csv-parse reads them. */
import { CsvError, parse } from 'csv-parse/browser/esm/sync';
import { AttuneError } from '../../errors/index.ts';
import { type DataProblem, excerpt } from '../problems.ts';
import { type Fault, type Format, problemAt, type Row, row } from '../row.ts';
import type { Line } from './lines.ts';

/** Both kinds quote alike: a field with a delimiter, quote or line end stands in quotes, its own quotes doubled. */
export const csv: Format = (lines, name) => table(lines, name, ',');
export const tsv: Format = (lines, name) => table(lines, name, '\t');

async function* table(lines: AsyncIterable<Line>, name: string, delimiter: string): AsyncGenerator<Row | DataProblem> {
  let header: readonly string[] | undefined;
  for await (const record of records(lines, delimiter)) {
    if (header === undefined) header = checkHeader(record, { name, delimiter });
    else yield rowOf(record, header, name);
  }
}

/** A record that was read, or why it cannot be. */
interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
  readonly fault?: Fault;
  /** The text ends inside quotes. */
  readonly isOpen?: boolean;
}

/** A record goes on over the end of a line while a quote is open. Empty lines are skipped. */
async function* records(lines: AsyncIterable<Line>, delimiter: string): AsyncGenerator<CsvRecord> {
  let open: { parts: string[]; line: number } | undefined;
  for await (const { text, ending, number } of lines) {
    if (open === undefined) {
      if (text === '') continue;
      const record = parseRecord(text, number, delimiter);
      if (record.isOpen) open = { parts: [text + ending], line: number };
      else yield record;
      continue;
    }
    open.parts.push(text + ending);
    if (!hasOddQuotes(text)) continue;
    yield parseRecord(open.parts.join(''), open.line, delimiter);
    open = undefined;
  }
  if (open !== undefined) yield parseRecord(open.parts.join(''), open.line, delimiter);
}

/** Doubled quotes do not count, so an odd number closes an open field. Parsing at every line would take long. */
function hasOddQuotes(text: string): boolean {
  let odd = false;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) odd = !odd;
  return odd;
}

function parseRecord(text: string, line: number, delimiter: string): CsvRecord {
  try {
    return { line, fields: parse(text, { delimiter })[0] ?? [] };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const problem = `${reasonOf(error)} in ${excerpt(text)}`;
    const isOpen = error.code === 'CSV_QUOTE_NOT_CLOSED';
    return { line, fields: [], fault: { code: 'DATA_SYNTAX', problem, fix: quoting }, isOpen };
  }
}

const quoting = 'put the field into quotes and double each quote inside it: "she said ""yes"""';

function reasonOf(error: CsvError): string {
  if (error.code === 'CSV_QUOTE_NOT_CLOSED') return 'a quote is opened and not closed';
  if (error.code === 'CSV_INVALID_CLOSING_QUOTE') return 'text follows a closing quote';
  if (error.code === 'INVALID_OPENING_QUOTE') return 'a quote stands inside a field that does not start with one';
  throw error;
}

function rowOf({ line, fields, fault }: CsvRecord, header: readonly string[], name: string): Row | DataProblem {
  if (fault !== undefined) return problemAt(name, line, fault);
  if (fields.length === header.length) {
    return row(Object.fromEntries(header.map((column, i) => [column, fields[i]])), name, line);
  }
  const found = `the row has ${counted(fields.length, 'field')}, the header ${header.length}`;
  const problem = `${found}: ${excerpt(fields.join(' | '))}`;
  const fix = 'quote fields that hold the delimiter or a line end, and leave a missing value empty';
  return problemAt(name, line, { code: 'DATA_SYNTAX', problem, fix });
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

interface HeaderPlace {
  readonly name: string;
  readonly delimiter: string;
}

/** The header's names. A header that cannot be used ends the reading: no row could be understood. */
function checkHeader(record: CsvRecord, { name, delimiter }: HeaderPlace): readonly string[] {
  const names = record.fields.map((column) => column.trim());
  const fault = record.fault ?? headerFault(names, delimiter);
  if (fault !== undefined) throw new AttuneError({ ...fault, where: `${name}:${record.line}` });
  return names;
}

function headerFault(names: readonly string[], delimiter: string): Fault | undefined {
  const fault = (problem: string, fix: string): Fault => ({ code: 'DATA_HEADER', problem, fix });
  const empty = names.indexOf('');
  if (empty >= 0) {
    const problem = `column ${empty + 1} of ${names.length} has no name`;
    return fault(problem, 'name every column in line 1 (pandas: to_csv with index=False)');
  }
  const twice = names.find((column, i) => names.indexOf(column) !== i);
  if (twice !== undefined) return fault(`two columns are named '${excerpt(twice)}'`, 'give each column its own name');
  if (names.some((column) => Number.isFinite(Number(column)))) {
    const problem = `there is no header: line 1 holds values, ${excerpt(names.join(' | '))}`;
    return fault(problem, 'put a line with the names of the columns above it');
  }
  return separatorFault(names, delimiter);
}

/** Read with the wrong separator, a table has one column that holds all others. */
function separatorFault(names: readonly string[], delimiter: string): Fault | undefined {
  const only = names.length === 1 ? names[0]! : '';
  const found = [',', '\t', ';'].find((mark) => mark !== delimiter && only.includes(mark));
  if (found === undefined) return undefined;
  const problem = `the fields seem to be separated by ${separators[found]}: ${excerpt(only)}`;
  const fix = `separate them by ${separators[delimiter]}, as the ending of the file's name says`;
  return { code: 'DATA_HEADER', problem, fix };
}

const separators: Readonly<Record<string, string>> = { ',': 'a comma', '\t': 'a tab', ';': 'a semicolon' };
