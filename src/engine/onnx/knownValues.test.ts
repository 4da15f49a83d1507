/** ONNX Runtime is told the shapes of values between inputs and outputs: where it had to guess, a decoder took half a minute to open. */
import { expect, test } from 'vitest';
import { input } from '../graph/index.ts';
import { add, linear } from '../ops/index.ts';
import { toOnnx } from './index.ts';

type Field = { readonly number: number; readonly value: number | Uint8Array };

/** The fields of a message: numbers, and bytes with a length before them. */
function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const value = varint();
    const from = at;
    if (key % 8 !== 0) at += value;
    yield { number: key >> 3, value: key % 8 === 0 ? value : bytes.subarray(from, at) };
  }
}

const all = (bytes: Uint8Array, ...path: readonly number[]): Uint8Array[] =>
  path.reduce(
    (messages, number) =>
      messages.flatMap((message) =>
        [...fieldsOf(message)].filter((field) => field.number === number).map(({ value }) => value as Uint8Array),
      ),
    [bytes],
  );
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** ModelProto.graph.value_info: names, and dim_value or dim_param of each axis. */
const knownIn = (model: Uint8Array) =>
  new Map(
    all(model, 7, 13).map((info) => {
      const dims = all(info, 2, 1, 2, 1).map((dim) => {
        const { value } = fieldsOf(dim).next().value as Field;
        return typeof value === 'number' ? value : textOf(value);
      });
      return [textOf(all(info, 1)[0]!), dims];
    }),
  );

const x = input('x', 'float32', ['batch', 'tokens', 2]);
const weight = input('weight', 'float32', [3, 2]);
const hidden = linear(x, weight);
const outputs = { y: add(hidden, hidden) };

test('the result of a row, and what it is reshaped to on the way', () => {
  const known = knownIn(toOnnx(outputs).bytes);
  expect([...known.values()]).toEqual(
    expect.arrayContaining([
      ['batch*tokens', 2],
      ['batch', 'tokens', 3],
    ]),
  );
  expect(known.has('x')).toBe(false);
  expect(known.has('y')).toBe(false);
});

test('where all sizes are numbers it finds out by itself', () => {
  expect(knownIn(toOnnx(outputs, { sizes: { batch: 2, tokens: 4 } }).bytes).size).toBe(0);
});
