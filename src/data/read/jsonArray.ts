/** JSON: one array of objects. Elements are cut out and parsed one by one: each has its line, and one may be bad. */
import { AttuneError } from '../../errors/index.ts';
import { type DataProblem, excerpt } from '../problems.ts';
import { type Fault, type Format, problemAt, type Row, row } from '../row.ts';
import { parseObject } from './json.ts';
import type { Line } from './lines.ts';

/** Where the cutting stands. JSON.parse judges the elements: here only strings and brackets are told apart. */
interface Cutter {
  place: 'before' | 'inside' | 'after';
  depth: number;
  inString: boolean;
  escaped: boolean;
  element: string;
  /** The line of the element's first character; 0 before it. */
  start: number;
}

interface File {
  readonly name: string;
  /** A row as it is wanted. */
  readonly example: string;
}

interface Element {
  readonly text: string;
  readonly line: number;
  readonly isLast: boolean;
}

export const jsonArray: Format = async function* (lines, name, example) {
  const cutter: Cutter = { place: 'before', depth: 0, inString: false, escaped: false, element: '', start: 0 };
  let count = 0;
  let last = 1;
  for await (const line of lines) {
    last = line.number;
    for (const element of cut(cutter, line, { name, example })) {
      count++;
      // `[]` has no element; a lone comma lacks one.
      if (element.text !== '') yield read(element, { name, example });
      else if (!element.isLast || count > 1) yield problemAt(name, element.line, missingElement);
    }
  }
  if (cutter.place === 'inside') yield unfinished(cutter, last, { name, example });
};

const missingElement: Fault = {
  code: 'DATA_SYNTAX',
  problem: 'a comma has no row beside it',
  fix: 'remove the comma',
};

function read({ text, line }: Pick<Element, 'text' | 'line'>, { name, example }: File): Row | DataProblem {
  const parsed = parseObject(text, example);
  return 'fault' in parsed ? problemAt(name, line, parsed.fault) : row(parsed.values, name, line);
}

/** The elements that end on a line. */
function* cut(cutter: Cutter, { text, ending, number }: Line, file: File): Generator<Element> {
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (isSpace(character)) {
      cutter.escaped = false;
    } else if (cutter.place !== 'inside') {
      open(cutter, text.slice(i), { where: `${file.name}:${number}`, example: file.example });
      start = i + 1;
    } else if (endsElement(cutter, character)) {
      const whole = (cutter.element + text.slice(start, i)).trim();
      yield { text: whole, line: cutter.start || number, isLast: character === ']' };
      Object.assign(cutter, { element: '', start: 0, place: character === ']' ? 'after' : 'inside' });
      start = i + 1;
    } else if (cutter.start === 0) {
      cutter.start = number;
    }
  }
  if (cutter.place === 'inside') cutter.element += text.slice(start) + ending;
  // No JSON string goes over the end of a line: one that was not closed spoils its own row, not all that follow.
  cutter.inString = false;
}

const isSpace = (character: string): boolean => ' \t\n\r'.includes(character);

function open(cutter: Cutter, text: string, { where, example }: { where: string; example: string }): void {
  if (cutter.place === 'before' && text[0] === '[') {
    cutter.place = 'inside';
    return;
  }
  const found = `found ${excerpt(text)}`;
  const problem =
    cutter.place === 'after' ? `the array has ended, yet ${found}` : `a .json file holds one array: ${found}`;
  const fix = text[0] === '{' ? 'name the file .jsonl if each line is an object' : `write [${example}, …]`;
  throw new AttuneError({ code: 'DATA_SYNTAX', where, problem, fix });
}

/** Takes one character that is no space; true at the comma or bracket that ends an element. */
function endsElement(cutter: Cutter, character: string): boolean {
  if (cutter.inString) {
    if (cutter.escaped) cutter.escaped = false;
    else if (character === '\\') cutter.escaped = true;
    else if (character === '"') cutter.inString = false;
    return false;
  }
  if (cutter.depth === 0 && (character === ',' || character === ']')) return true;
  if (character === '"') cutter.inString = true;
  else if (character === '{' || character === '[') cutter.depth++;
  else if (character === '}' || character === ']') cutter.depth = Math.max(0, cutter.depth - 1);
  return false;
}

function unfinished(cutter: Cutter, last: number, { name, example }: File): DataProblem {
  const element = cutter.element.trim();
  const parsed = element === '' ? undefined : parseObject(element, example);
  if (parsed !== undefined && 'fault' in parsed) return problemAt(name, cutter.start, parsed.fault);
  return problemAt(name, last, { code: 'DATA_SYNTAX', problem: 'the array is not closed', fix: 'end the file with ]' });
}
