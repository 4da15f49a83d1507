import { expect, test } from 'vitest';
import { add, linear, matmul, mul, relu, sumAll, tanh } from '../ops/index.ts';
import { frontier, input, interpret, print, rebuild, type Tensor } from './index.ts';

const x = input('x', 'float32', ['batch', 4]);
const weight = (name: string): Tensor => input(name, 'float32', [4, 4]);
const [first, second, third, trained] = ['first', 'second', 'third', 'trained'].map(weight) as [
  Tensor,
  Tensor,
  Tensor,
  Tensor,
];
const low = relu(linear(tanh(linear(x, first)), second)); // two products deep
const canKeep = () => true;
const cutOf = (output: Tensor, changing = [trained]) => frontier([output], { changing, canKeep });

test('the highest tensor that no changing leaf reaches is kept', () => {
  expect(cutOf(sumAll(linear(low, trained)))).toEqual([low]);
});

test('what one product makes is done again, and what none makes too', () => {
  expect(cutOf(sumAll(linear(linear(x, first), trained)))).toEqual([]);
  expect(cutOf(sumAll(mul(tanh(x), linear(low, trained))))).toEqual([low]);
});

test('one product above a kept tensor is done again, two are kept', () => {
  const once = linear(low, third);
  expect(cutOf(sumAll(add(once, linear(low, trained))))).toEqual([low]);
  const twice = linear(tanh(once), first);
  expect(cutOf(sumAll(add(twice, linear(low, trained))))).toEqual([low, twice]);
});

test('nothing is kept that a changing leaf reaches', () => {
  expect(cutOf(sumAll(linear(low, trained)), [trained, x])).toEqual([]);
});

test('in the place of a tensor that cannot be kept its inputs are', () => {
  const square = matmul(low, low, { transB: true }); // [batch, batch]
  const output = sumAll(matmul(square, linear(low, trained)));
  const rowWise = ({ shape }: Tensor): boolean => shape.filter((dim) => dim === 'batch').length < 2;
  expect(frontier([output], { changing: [trained], canKeep: rowWise })).toEqual([low]);
});

test('an alias is kept as what it stands for, and only on the unchanging side', () => {
  const mask = input('mask', 'float32', ['batch', 4]);
  const dropped = mul(low, mask);
  const aliases = new Map([[dropped, low]]);
  expect(frontier([sumAll(linear(dropped, trained))], { changing: [trained], canKeep, aliases })).toEqual([low]);
});

test('a rebuilt graph reads the replacements, shares what lies below, and gives the same values', () => {
  const output = sumAll(tanh(linear(low, trained)));
  const place = input('place', 'float32', low.shape);
  const [above] = rebuild([output], new Map([[low, place]]));
  expect(print([above!])).toMatchInlineSnapshot(`
    "%0 = linear place trained  float32[batch, 4]
    %1 = tanh %0  float32[batch, 4]
    %2 = sum %1  float32[1, 1]
    %3 = reshape %2  float32[]"
  `);
  expect(rebuild([low], new Map([[trained, third]]))[0]).toBe(low);
  const values = (shape: number[], from: number) => ({
    shape,
    data: Float64Array.from({ length: shape[0]! * shape[1]! }, (_, i) => Math.sin(from + i)),
  });
  const feeds = new Map([x, first, second, trained].map((leaf, i) => [leaf, values([leaf === x ? 3 : 4, 4], i * 10)]));
  const sizes = { batch: 3 };
  const [kept, whole] = interpret([low, output], feeds, sizes);
  expect(interpret([above!], new Map([...feeds, [place, kept!]]), sizes)).toEqual([whole]);
});

test('a replacement may itself be replaced', () => {
  const mask = input('mask', 'float32', ['batch', 4]);
  const dropped = mul(low, mask);
  const place = input('place', 'float32', low.shape);
  const replaced = rebuild([linear(dropped, trained)], new Map([[dropped, low], [low, place]])); // biome-ignore format: pairs
  expect(print(replaced)).toBe('%0 = linear place trained  float32[batch, 4]');
});
