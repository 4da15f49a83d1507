import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gradients } from '../autodiff/index.ts';
import { linear, mul, sumAll, tanh } from '../ops/index.ts';
import { evaluate, input, plus, print, product, times, verify } from './index.ts';

const x = input('x', 'float32', ['batch', 'tokens', 4]);
const frozen = input('frozen', 'float32', [3, 4]);
const trained = input('trained', 'float32', [2, 3]);
const model = () => sumAll(tanh(linear(tanh(linear(x, frozen)), trained)));

test('a graph prints as text, one node a line', () => {
  expect(print([model()])).toMatchInlineSnapshot(`
    "%0 = linear x frozen  float32[batch, tokens, 3]
    %1 = tanh %0  float32[batch, tokens, 3]
    %2 = linear %1 trained  float32[batch, tokens, 2]
    %3 = tanh %2  float32[batch, tokens, 2]
    %4 = sum %3  float32[1, 1, 1]
    %5 = reshape %4  float32[]"
  `);
});

test('nothing is differentiated below the lowest trained weight', () => {
  const text = print(gradients(model(), [trained]));
  expect(text).toMatchInlineSnapshot(`
    "%0 = reshape 1  float32[1, 1, 1]
    %1 = expand %0  float32[batch, tokens, 2]
    %2 = linear x frozen  float32[batch, tokens, 3]
    %3 = tanh %2  float32[batch, tokens, 3]
    %4 = linear %3 trained  float32[batch, tokens, 2]
    %5 = tanh %4  float32[batch, tokens, 2]
    %6 = mul %5 %5  float32[batch, tokens, 2]
    %7 = sub 1 %6  float32[batch, tokens, 2]
    %8 = mul %1 %7  float32[batch, tokens, 2]
    %9 = reshape %8  float32[batch*tokens, 2]
    %10 = reshape %3  float32[batch*tokens, 3]
    %11 = matmul %9 %10  float32[2, 3]"
  `);
  expect(text.split('\n').filter((line) => line.includes('frozen'))).toHaveLength(1);
});

test('a node whose output contradicts its row is found', () => {
  const y = mul(x, 2);
  verify([y]);
  Object.assign(y, { shape: ['batch', 4] });
  expect(() => verify([y])).toThrow(
    'internal: mul makes float32[batch,tokens,4], its output 0 carries float32[batch,4]',
  );
});

test('two inputs of one name are found', () => {
  const other = input('x', 'float32', [1]);
  expect(() => verify([mul(x, other)])).toThrow("internal: two inputs are named 'x'");
});

test('shapes that do not fit are refused with their names', () => {
  expect(() => linear(x, input('w', 'float32', [3, 5]))).toThrow(
    'internal: weight of linear on [batch,tokens,4]: got [5], expected [4]',
  );
});

const dim = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom('a', 'b', 'a*b', '2*a+b', '3+a'));
test('sizes compute as numbers do, and equal sizes are equal texts', () => {
  const sizes = { a: 5, b: 7 };
  fc.assert(
    fc.property(dim, dim, dim, (p, q, r) => {
      expect(evaluate(plus(p, q), sizes)).toBe(evaluate(p, sizes) + evaluate(q, sizes));
      expect(evaluate(product([p, q, r]), sizes)).toBe(evaluate(times(p, times(q, r)), sizes));
      expect(times(p, plus(q, r))).toBe(plus(times(p, q), times(p, r)));
      expect(plus(p, q)).toBe(plus(q, p));
    }),
  );
});
