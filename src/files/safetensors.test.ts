import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AttuneError } from '../errors/index.ts';
import { memorySource, openSafetensors, safetensorsChunks } from './index.ts';

function fileOf(header: unknown, body: Uint8Array = new Uint8Array()): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + body.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  file.set(body, 8 + json.length);
  return file;
}

const open = (bytes: Uint8Array) => openSafetensors(memorySource('weights.safetensors', bytes));

const tensors = [
  { name: 'b', dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, -2, 3, 0.5) },
  { name: 'a', dtype: 'int64', shape: [2], data: BigInt64Array.of(5n, -7n) },
] as const;

const written = (list: typeof tensors | readonly (typeof tensors)[number][] = tensors): Uint8Array =>
  Uint8Array.from([...safetensorsChunks(list)].flatMap((chunk) => [...chunk]));

test('what was written is read back, in any order of tensors', async () => {
  const file = await open(written());
  expect([...file.tensors.keys()].sort()).toEqual(['a', 'b']);
  expect(file.metadata).toEqual({ format: 'pt' });
  expect([...(await file.readFloats('b'))]).toEqual([1, -2, 3, 0.5]);
  expect([...(await file.readFloats('a'))]).toEqual([5, -7]);
  expect([...(await file.readSome('b', 1, new Float32Array(2)))]).toEqual([-2, 3]);
  expect([...(await file.readSome('a', 1, new Float32Array(1)))]).toEqual([-7]);
  expect(written(tensors.toReversed())).toEqual(written());
});

test('half precision types become the numbers they stand for', async () => {
  const body = new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00, 0x3fc0, 0xc040).buffer);
  const file = await open(
    fileOf(
      {
        half: { dtype: 'F16', shape: [4], data_offsets: [0, 8] },
        brain: { dtype: 'BF16', shape: [2], data_offsets: [8, 12] },
      },
      body,
    ),
  );
  expect([...(await file.readFloats('half'))]).toEqual([1, -2, 2 ** -24, Number.POSITIVE_INFINITY]);
  expect([...(await file.readFloats('brain'))]).toEqual([1.5, -3]);
});

const entry = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
test.each([
  ['too short', new Uint8Array(4), /fewer than the smallest header/],
  ['header longer than the file', fileOf({}).fill(255, 0, 8), /header claims/],
  ['header that is not JSON', fileOf('{"a": '), /not a JSON object/],
  ['header that is a list', fileOf([]), /not a JSON object/],
  ['unknown type', fileOf({ a: { ...entry, dtype: 'F5' } }, new Uint8Array(8)), /type "F5"/],
  ['no type', fileOf({ a: { ...entry, dtype: 8 } }, new Uint8Array(8)), /type 8/],
  ['negative size', fileOf({ a: { ...entry, shape: [-2] } }, new Uint8Array(8)), /no proper shape/],
  ['length that is not the shape', fileOf({ a: { ...entry, shape: [3] } }, new Uint8Array(12)), /needs 12 bytes/],
  ['range past the end', fileOf({ a: entry }, new Uint8Array(7)), /the file has/],
  ['overlap', fileOf({ a: entry, b: { ...entry, data_offsets: [4, 12] } }, new Uint8Array(12)), /'a' and 'b' overlap/],
  ['no offsets', fileOf({ a: { dtype: 'F32', shape: [2] } }, new Uint8Array(8)), /data_offsets/],
])('a file with a fault is refused: %s', async (_, bytes, message) => {
  const failure = await open(bytes).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(AttuneError);
  expect((failure as AttuneError).code).toBe('SAFETENSORS_CORRUPT');
  expect((failure as AttuneError).message).toMatch(message);
});

test.each(['F8_E4M3', 'F8_E5M2', 'F4', 'U32'])('%s is told from a file with a fault', async (dtype) => {
  await expect(open(fileOf({ a: { ...entry, dtype } }, new Uint8Array(8)))).rejects.toMatchObject({
    code: 'SAFETENSORS_UNSUPPORTED',
    where: "weights.safetensors 'a'",
    problem: expect.stringContaining(dtype),
    fix: expect.stringContaining('bf16, fp16 or fp32'),
  });
});

test('a truncated or damaged file never gives anything but numbers or a clear error', async () => {
  const good = written();
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), async (at, value, length) => {
      const damaged = good.slice(0, length);
      if (at < damaged.length) damaged[at] = value;
      try {
        const file = await open(damaged);
        for (const name of file.tensors.keys()) await file.readFloats(name);
      } catch (error) {
        expect(error).toBeInstanceOf(AttuneError);
      }
    }),
  );
});
