/** Bytes to lines: strict UTF-8, and each line with its number. */
import { AttuneError } from '../../errors/index.ts';
import { excerpt } from '../problems.ts';
import type { TextSource } from './textSource.ts';

export interface Line {
  readonly text: string;
  /** What ended the line, for a field of a table that holds several lines. Empty at the end of the file. */
  readonly ending: string;
  readonly number: number;
}

const LINE_FEED = 0x0a;
// `ignoreBOM` keeps the mark in the text: only the one at the start of the file is dropped, by `withoutMark`.
const strictDecoder = () => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The lines of a source, whether ended by LF, CRLF or CR. A byte order mark is dropped. */
export async function* readLines(source: TextSource): AsyncGenerator<Line> {
  let number = 0;
  for await (const block of blocks(source)) {
    for (const { text, ending } of split(decode(block, source.name, number))) {
      number++;
      yield { text, ending, number };
    }
  }
}

/** The bytes in pieces that end where a line ends; no UTF-8 character has a line feed inside. */
async function* blocks(source: TextSource): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let isStart = true;
  for await (const chunk of source.chunks()) {
    const end = chunk.lastIndexOf(LINE_FEED) + 1;
    if (end > 0) {
      const block = joined([...waiting, chunk.subarray(0, end)]);
      yield isStart ? withoutMark(block, source.name) : block;
      isStart = false;
      waiting = [];
    }
    if (end < chunk.length) waiting.push(chunk.slice(end));
  }
  const rest = joined(waiting);
  if (rest.length > 0) yield isStart ? withoutMark(rest, source.name) : rest;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function withoutMark(start: Uint8Array, name: string): Uint8Array {
  const [a, b, c] = start;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) {
    throw notUtf8(`${name}:1`, `the file is UTF-16 (${a === 0xff ? 'little' : 'big'}-endian), by its byte order mark`);
  }
  return a === 0xef && b === 0xbb && c === 0xbf ? start.subarray(3) : start;
}

function notUtf8(where: string, problem: string): AttuneError {
  return new AttuneError({
    code: 'DATA_ENCODING',
    where,
    problem,
    fix: 'save the file as UTF-8, for example with: iconv -f OLD_ENCODING -t utf-8 OLD_FILE > NEW_FILE',
  });
}

function decode(block: Uint8Array, name: string, linesBefore: number): string {
  try {
    const text = strictDecoder().decode(block);
    if (!text.includes('\0')) return text;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  throw firstFault(block, name, linesBefore);
}

/** Says which line cannot be decoded. Runs only when it is known that one cannot. */
function firstFault(block: Uint8Array, name: string, linesBefore: number): AttuneError {
  let number = linesBefore;
  for (let start = 0; start < block.length; ) {
    const lineFeed = block.indexOf(LINE_FEED, start);
    const end = lineFeed < 0 ? block.length : lineFeed + 1;
    // Replacement characters stand for what cannot be decoded, so that lines ended by CR alone are counted too.
    for (const { text } of split(new TextDecoder('utf-8', { ignoreBOM: true }).decode(block.subarray(start, end)))) {
      number++;
      const where = `${name}:${number}`;
      if (text.includes('\0')) {
        return notUtf8(where, 'found a zero byte: the file is not text, or it is UTF-16 without a byte order mark');
      }
      if (text.includes('\ufffd') && !isUtf8(block.subarray(start, end))) {
        return notUtf8(where, `found bytes that are not UTF-8, shown here as \ufffd: ${excerpt(aroundFault(text))}`);
      }
    }
    start = end;
  }
  throw new Error('internal: a block failed to decode, yet each of its lines can be decoded');
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    strictDecoder().decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function aroundFault(text: string): string {
  const at = text.indexOf('\ufffd');
  return at < 40 ? text : `…${text.slice(at - 30)}`;
}

function* split(text: string): Generator<Omit<Line, 'number'>> {
  const endings = /\r\n|\n|\r/g;
  let start = 0;
  for (let found = endings.exec(text); found !== null; found = endings.exec(text)) {
    yield { text: text.slice(start, found.index), ending: found[0] };
    start = endings.lastIndex;
  }
  if (start < text.length) yield { text: text.slice(start), ending: '' };
}
