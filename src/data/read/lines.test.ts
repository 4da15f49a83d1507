import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AttuneError } from '../../errors/index.ts';
import { readLines } from './lines.ts';
import { type TextSource, textSource } from './textSource.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function inPieces(bytes: Uint8Array, size: number): TextSource {
  return {
    name: 'f',
    async *chunks() {
      for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
    },
  };
}

async function linesOf(source: TextSource): Promise<string[]> {
  const lines: string[] = [];
  for await (const { text, number } of readLines(source)) lines[number - 1] = text;
  return lines;
}

const failure = (bytes: Uint8Array | string): Promise<unknown> =>
  linesOf(textSource('f', bytes)).then(
    () => 'no failure',
    (error: AttuneError) => ({ code: error.code, where: error.where, problem: error.problem }),
  );

test('lines end with LF, CRLF or CR, and the last one needs no end', async () => {
  expect(await linesOf(textSource('f', 'a\nb\r\nc\rd\n\ne'))).toEqual(['a', 'b', 'c', 'd', '', 'e']);
  expect(await linesOf(textSource('f', 'a\n'))).toEqual(['a']);
  expect(await linesOf(textSource('f', ''))).toEqual([]);
});

test('only the byte order mark at the start of the file is dropped', async () => {
  expect(await linesOf(textSource('f', '\ufeffa\n\ufeffb'))).toEqual(['a', '\ufeffb']);
  expect(await linesOf(inPieces(utf8('\ufeffa'), 1))).toEqual(['a']);
});

test('how a text is cut into chunks changes nothing, and what ended the lines is kept', async () => {
  const character = fc.constantFrom('a', '\n', '\r', '\r\n', 'é', '汉', '😀', '\ufffd', '"');
  const text = fc.array(character, { maxLength: 30 }).map((parts) => parts.join(''));
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 7 }), async (whole, size) => {
      const source = inPieces(utf8(whole), size);
      const expected = whole.split(/\r\n|\n|\r/);
      if (expected.at(-1) === '') expected.pop();
      expect(await linesOf(source)).toEqual(expected);
      let again = '';
      for await (const { text, ending } of readLines(source)) again += text + ending;
      expect(again).toBe(whole);
    }),
  );
});

test('bytes that are not UTF-8 are refused with their line and what stands around them', async () => {
  const latin1 = Uint8Array.from([...utf8('one\r\ntwo\rth\ufffdree\n'), 0x63, 0x61, 0x66, 0xe9, 0x0a, 0x0a]);
  expect(await failure(latin1)).toEqual({
    code: 'DATA_ENCODING',
    where: 'f:4',
    problem: 'found bytes that are not UTF-8, shown here as \ufffd: caf\ufffd',
  });
  const cutShort = utf8('a\n汉').subarray(0, 4);
  expect(await failure(cutShort)).toMatchObject({ code: 'DATA_ENCODING', where: 'f:2' });
});

test('UTF-16 is called by its name, and a zero byte is refused', async () => {
  const utf16 = Uint8Array.from([0xff, 0xfe, 0x61, 0, 0x0a, 0]);
  expect(await failure(utf16)).toMatchObject({
    where: 'f:1',
    problem: expect.stringContaining('UTF-16 (little-endian)'),
  });
  const swapped = Uint8Array.from([0xfe, 0xff, 0, 0x61]);
  expect(await failure(swapped)).toMatchObject({ problem: expect.stringContaining('UTF-16 (big-endian)') });
  const unmarked = Uint8Array.from([0x61, 0x0a, 0x62, 0]);
  expect(await failure(unmarked)).toMatchObject({ where: 'f:2', problem: expect.stringContaining('zero byte') });
});

test('whatever the bytes, the answer is lines or an AttuneError that names an existing line', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 9 }), async (bytes, size) => {
      const whole = await linesOf(textSource('f', bytes)).catch((error) => error);
      const pieces = await linesOf(inPieces(bytes, size)).catch((error) => error);
      expect(pieces).toEqual(whole);
      const isValid = !bytes.includes(0) && isUtf8(bytes);
      expect(whole instanceof AttuneError).toBe(!isValid);
    }),
    { numRuns: 500 },
  );
});

function isUtf8(bytes: Uint8Array): boolean {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  return Buffer.from(text).equals(bytes);
}
