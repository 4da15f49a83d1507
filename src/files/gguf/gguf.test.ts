import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { floatBytes, ggufFile, type WrittenFile } from '../../../tests/golden/ggufFile.ts';
import { AttuneError } from '../../errors/index.ts';
import type { ByteSource } from '../bytes.ts';
import { memorySource, openSafetensors } from '../index.ts';
import { openGguf } from './gguf.ts';

const golden = (name: string) => new Uint8Array(readFileSync(join('tests/golden/gguf', name)));
const open = (bytes: Uint8Array) => openGguf(memorySource('model.gguf', bytes));

test('metadata of every kind is read', async () => {
  const { metadata, version } = await open(golden('types.gguf'));
  expect(version).toBe(3);
  const found = Object.fromEntries([...metadata].filter(([key]) => key.startsWith('test.')));
  expect(found).toEqual({
    ...{ 'test.u8': 200, 'test.i8': -100, 'test.u16': 60000, 'test.i16': -30000, 'test.u32': 4000000000 },
    ...{ 'test.i32': -2000000000, 'test.f32': 0.5, 'test.yes': true, 'test.no': false, 'test.f64': 0.1 },
    ...{ 'test.text': 'naïve 你好 \ufeff🙂', 'test.u64': 2n ** 63n + 1n, 'test.i64': -(2 ** 40) },
    ...{ 'test.strings': ['a', '', '\ufeff'], 'test.integers': [1, -2, 3], 'test.floats': [0.5, -0.25] },
    'test.flags': [true, false],
  });
});

test('every number type gives the values that llama.cpp’s own reader gives, bit for bit', async () => {
  const file = await open(golden('types.gguf'));
  const wanted = await openSafetensors(memorySource('types', golden('types.safetensors')));
  const { types } = JSON.parse(new TextDecoder().decode(golden('types.json'))) as { types: string[] };
  expect([...file.tensors.keys()].sort()).toEqual([...types, 'vector'].sort());
  for (const [name, tensor] of file.tensors) {
    expect(tensor.shape, name).toEqual(wanted.tensors.get(name)!.shape);
    const values = new Float32Array(tensor.shape.reduce((a, b) => a * b, 1));
    await file.readFloats(tensor, values);
    const right = await wanted.readFloats(name);
    const wrong = [...values.keys()].filter((i) => !Object.is(values[i], right[i]));
    expect(wrong, `${name}: ${wrong.slice(0, 3).map((i) => `${values[i]} for ${right[i]}`)}`).toEqual([]);
  }
});

test('tensors of more than one piece are read as a whole, and rows by themselves', async () => {
  const rows = 70_000;
  const bytes = new Uint8Array(rows * 68);
  for (let i = 0; i < bytes.length; i++) bytes[i] = i % 34 === 0 ? 0 : i % 34 === 1 ? 0x3c : (i * 31) % 100;
  const file = await open(ggufFile({ tensors: [{ name: 'w', type: 8, shape: [rows, 64], bytes }] }));
  const tensor = file.tensors.get('w')!;
  const values = new Float32Array(rows * 64);
  await file.readFloats(tensor, values);
  for (const row of [0, 1, 61_680, 61_681, rows - 1]) {
    const raw = bytes.subarray(row * 68, row * 68 + 68);
    expect(await file.readRows(tensor, { from: row, count: 1 })).toEqual(Uint8Array.from(raw));
    expect(values[row * 64 + 33]).toBe(raw[37]);
  }
});

test('a header that is longer than the first window is read', async () => {
  const words = Array.from({ length: 200_000 }, (_, i) => `token ${i}`);
  const { metadata } = await open(ggufFile({ metadata: { words: ['array', 'string', words] } }));
  expect(metadata.get('words')).toEqual(words);
});

const problemOf = async (bytes: Uint8Array): Promise<AttuneError> => {
  const failure = await open(bytes).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(AttuneError);
  return failure as AttuneError;
};

const one = { name: 'w', shape: [2], bytes: floatBytes(1, 2) };
const right = ggufFile({ tensors: [one], metadata: { a: ['u32', 1], b: ['string', 'word'] } });
const edited = (at: number, ...bytes: number[]): Uint8Array => {
  const file = right.slice();
  file.set(bytes, at);
  return file;
};

test.each<[string, Uint8Array, RegExp]>([
  ['nothing at all', new Uint8Array(), /ends at byte 0/],
  ['another kind of file', new TextEncoder().encode('PK\u0003\u0004 a zip file, for sure'), /begins with 0x04034b50/],
  ['more keys than bytes', ggufFile({ keyCount: 2n ** 40n }), /claims 1099511627776 keys, but at most 0/],
  ['more keys than numbers go', ggufFile({ keyCount: 2n ** 63n }), /number of keys is 9223372036854775808/],
  ['more tensors than bytes', ggufFile({ tensorCount: 1000 }), /claims 1000 tensors, but at most 0/],
  ['a string beyond the end', edited(24, 255), /ends at byte \d+, inside key 0, which needs 255 bytes/],
  ['a string of an exabyte', edited(24, 0, 0, 0, 0, 0, 0, 16), /key 0 claims to be 4503599627370496 bytes/],
  ['text that is not UTF-8', edited(32, 255), /key 0 is not UTF-8/],
  ['a type that no value has', edited(33, 13), /key 'a' has the type 13/],
  ['a list of lists', edited(33, 9, 0, 0, 0, 9), /list of lists/],
  [
    'a key twice',
    ggufFile({
      metadata: [
        ['a', ['u8', 1]],
        ['a', ['u8', 1]],
      ],
    }),
    /key 'a' comes twice/,
  ],
  ['a truth value of 2', ggufFile({ metadata: { a: ['u8', 2] } }).map((b, i) => (i === 33 ? 7 : b)), /'a' is 2, not 0/],
  ['no power of two', ggufFile({ metadata: { 'general.alignment': ['u32', 24] } }), /alignment' is 24/],
  ['a tensor twice', ggufFile({ tensors: [one, one] }), /tensor 'w' comes twice/],
  ['nine axes', ggufFile({ tensors: [{ ...one, shape: [1, 1, 1, 1, 1, 1, 1, 1, 2] }] }), /claims 9 axes/],
  ['a size of 0', ggufFile({ tensors: [{ ...one, shape: [0, 2] }] }), /sizes \[2,0\]/],
  ['sizes beyond counting', ggufFile({ tensors: [{ ...one, shape: [2 ** 40, 2 ** 40] }] }), /'w' has the sizes/],
  [
    'values that are not there',
    ggufFile({ tensors: [{ ...one, shape: [1000] }] }),
    /'w' ends at byte \d+, but the file/,
  ],
  ['an offset outside', ggufFile({ tensors: [{ ...one, offset: 2n ** 50n }] }), /'w' ends at byte/],
  ['an offset between', ggufFile({ tensors: [{ ...one, offset: 4 }] }), /'w' lies at 4, not at a multiple of 32/],
  ['two in one place', ggufFile({ tensors: [one, { ...one, name: 'v', offset: 0 }] }), /tensors 'w' and 'v' overlap/],
  ['rows of half a block', ggufFile({ tensors: [{ ...one, type: 8, shape: [16] }] }), /rows of 16 values; Q8_0 needs/],
])('%s is refused with the reason', async (_, bytes, problem) => {
  const error = await problemOf(bytes);
  expect(error.problem).toMatch(problem);
  expect(error).toMatchObject({ code: 'GGUF_CORRUPT', where: 'model.gguf' });
});

test.each([
  ['big-endian', edited(4, 0, 0, 0, 3), /big-endian/, /convert it to little-endian/],
  ['version 1', edited(4, 1), /of version 1; versions 2 and 3/, /convert the model again/],
])('%s is told from a file that was cut short', async (_, bytes, problem, fix) => {
  const error = await problemOf(bytes);
  expect(error).toMatchObject({ code: 'GGUF_UNSUPPORTED', where: 'model.gguf' });
  expect(error.problem).toMatch(problem);
  expect(error.fix).toMatch(fix);
});

test.each([
  [11, /Q3_K \(11\)/],
  [29, /IQ1_M/],
  [4711, /unknown \(4711\)/],
])('number type %i is refused by its name', async (type, problem) => {
  const error = await problemOf(ggufFile({ tensors: [{ ...one, type }] }));
  expect(error).toMatchObject({ code: 'GGUF_UNSUPPORTED', where: "model.gguf 'w'" });
  expect(error.problem).toMatch(problem);
  expect(error.fix).toMatch(/F32, F16, Q4_0, .*Q6_K/);
});

/** Counts what is asked for at once. */
function measured(bytes: Uint8Array): { source: ByteSource; largest: () => number } {
  let largest = 0;
  const inner = memorySource('model.gguf', bytes);
  const read: ByteSource['read'] = (offset, into) => {
    largest = Math.max(largest, into.length);
    expect(offset + into.length).toBeLessThanOrEqual(bytes.length);
    return inner.read(offset, into);
  };
  return { source: { ...inner, read }, largest: () => largest };
}

const whole: WrittenFile = {
  metadata: { a: ['array', 'string', ['x', 'yz']], b: ['array', 'u16', [1, 2]], c: ['f32', 1], d: ['bool', true] },
  tensors: [one, { name: 'm', type: 2, shape: [2, 32], bytes: new Uint8Array(36).fill(60) }],
};
const bytesOfWhole = ggufFile(whole);

test('a damaged file is read or refused, and never anything else', async () => {
  const damage = fc.array(fc.tuple(fc.nat(bytesOfWhole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(damage, fc.nat(bytesOfWhole.length), async (places, cut) => {
      const bytes = bytesOfWhole.slice(0, cut % 3 === 0 ? cut : undefined);
      for (const [at, value] of places) if (at < bytes.length) bytes[at] = value;
      const { source, largest } = measured(bytes);
      try {
        const file = await openGguf(source);
        for (const tensor of file.tensors.values()) {
          const values = new Float32Array(tensor.shape.reduce((a, b) => a * b, 1));
          expect(values.length).toBeLessThanOrEqual(bytes.length * 2);
          await file.readFloats(tensor, values);
        }
      } catch (failure) {
        expect(failure).toBeInstanceOf(AttuneError);
      }
      expect(largest()).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: 3000 },
  );
});

test('a file with a fault is closed', async () => {
  let closed = 0;
  const source = { ...memorySource('model.gguf', new Uint8Array(4)), close: async () => void closed++ };
  await expect(openGguf(source)).rejects.toThrow(AttuneError);
  expect(closed).toBe(1);
});
