/** What a model of hidden ranks still tells, read from its file. */
import { expect, test } from 'vitest';
import { input } from '../graph/index.ts';
import { linear, reshape } from '../ops/index.ts';
import { type OnnxOptions, toOnnx } from './index.ts';

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

/** The values of a field of ModelProto.graph: their names, and whether a shape is declared. */
const declared = (model: Uint8Array, field: number) =>
  new Map(all(model, 7, field).map((info) => [textOf(all(info, 1)[0]!), all(info, 2, 1, 2).length > 0]));
/** ModelProto.graph.node: types of nodes, and names of what they read. */
const nodesOf = (model: Uint8Array) =>
  all(model, 7, 1).map((node) => ({ type: textOf(all(node, 4)[0]!), inputs: all(node, 1).map(textOf) }));

const x = input('x', 'float32', ['batch', 'tokens', 2]);
const weight = input('weight', 'float32', [6]);
const outputs = { y: linear(x, reshape(weight, [3, 2])) };
const initializers = new Map([['weight', new Float32Array(6)]]);
const bytesOf = (options: OnnxOptions) => toOnnx(outputs, { initializers, ...options }).bytes;

test('inputs and outputs are declared without shapes, and no reshape says what it will make', () => {
  const model = bytesOf({ hideRanks: true });
  expect([declared(model, 11), declared(model, 12)]).toEqual([new Map([['x', false]]), new Map([['y', false]])]);
  const nodes = nodesOf(model);
  const reshapes = nodes.filter(({ type, inputs }) => type === 'Reshape' && inputs[0] !== 'weight');
  expect(reshapes.map(({ inputs }) => inputs[1])).toEqual([
    expect.stringMatching(/unforeseen$/),
    expect.stringMatching(/unforeseen$/),
  ]);
});

test('what is made of constants alone is left as it was: it is computed once, when the model opens', () => {
  const ofWeight = nodesOf(bytesOf({ hideRanks: true })).filter(({ inputs }) => inputs[0] === 'weight');
  expect(ofWeight).toEqual([{ type: 'Reshape', inputs: ['weight', expect.stringMatching(/^constant_\d+$/)] }]);
});

test('a model for others tells its shapes', () => {
  const model = bytesOf({});
  expect([declared(model, 11), declared(model, 12)]).toEqual([new Map([['x', true]]), new Map([['y', true]])]);
  expect(nodesOf(model).some(({ type }) => type === 'Slice')).toBe(false);
});
