import { expect, test } from 'vitest';
import { type MethodSettings, methods } from '../index.ts';
import { type Addend, sumOf } from './sumOf.ts';

const loraOf = (settings: object): MethodSettings => methods.lora.settings.parse({ name: 'lora', ...settings });

function addend(where: string, rank: number, settings: object): Addend {
  const tensor = (name: string, shape: readonly number[]) => {
    return { name, dtype: 'float32' as const, shape, data: new Float32Array(shape[0]! * shape[1]!).fill(1) };
  };
  const tensors = [tensor('query.lora_A.weight', [rank, 3]), tensor('query.lora_B.weight', [2, rank])];
  return { where, weight: 0.5, method: loraOf(settings), tensors };
}

test('linear refuses layers of unequal ranks, though the largest ranks are the same', () => {
  const other = addend('b', 2, { r: 4, rank_pattern: { query: 2 } });
  const adding = (combination: 'linear' | 'cat') => sumOf([addend('a', 4, { r: 4 }), other], { combination });
  expect(() => adding('linear')).toThrow('ranks 4 and 2 at query');
  expect(adding('cat').tensors.map(({ shape }) => shape)).toEqual([
    [8, 3],
    [2, 8],
  ]);
});

test('what LoftQ started belongs to its own base', () => {
  const settings = { r: 4, init: 'loftq', base_precision: 'int8' };
  expect(() => sumOf([addend('a', 4, settings)], { combination: 'cat' })).toThrow('LoftQ rounded');
});

test('an embedding that one of them trained tied to the scores stays tied', () => {
  const table = { name: 'embed_tokens.weight', dtype: 'float32' as const, shape: [2, 3], data: new Float32Array(6) };
  const tied = addend('b', 4, { r: 4, modules_to_save: ['embed_tokens'], ensure_weight_tying: true });
  const { method, tensors } = sumOf([addend('a', 4, { r: 4 }), { ...tied, tensors: [...tied.tensors, table] }], {
    combination: 'cat',
  });
  expect(method).toMatchObject({ modules_to_save: ['embed_tokens'], ensure_weight_tying: true });
  expect(tensors).toContain(table);
});
