import { expect, test } from 'vitest';
import { describeModel } from './config.ts';

const fields = {
  vocab_size: 64,
  hidden_size: 24,
  intermediate_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 6,
  max_position_embeddings: 64,
};
const described = (changes: object) => describeModel({ ...fields, ...changes }, 'config.json');
const refused = (changes: object, says: object): void => {
  expect(() => described(changes)).toThrow(expect.objectContaining({ code: 'MODEL_CONFIG', ...says }));
};

test.each([
  ['rope_scaling', 'llama', 3, {}],
  ['rope_parameters', 'phi3', 2, { partial_rotary_factor: 0.7 }],
])('%s of the kind longrope: one factor for each pair that turns', (field, model_type, pairs, partial) => {
  const scaled = (count: number) => ({
    model_type,
    ...partial,
    [field]: { rope_type: 'longrope', short_factor: new Array(count).fill(1), long_factor: [1], factor: 2 },
  });
  expect(described(scaled(pairs)).config).toMatchObject(scaled(pairs));
  for (const count of [pairs - 1, pairs + 1]) {
    refused(scaled(count), {
      where: `config.json ${field}.short_factor`,
      problem: expect.stringContaining(`it has ${count} factors, but ${pairs} pairs of each head turn`),
    });
  }
});

test.each(['qwen2', 'qwen3', 'gemma2', 'gemma3_text'])('%s: one layer type for each layer', (model_type) => {
  const types = (count: number) => ({ model_type, layer_types: new Array(count).fill('full_attention') });
  expect(described(types(2)).config).toMatchObject(types(2));
  for (const count of [0, 1, 3]) {
    refused(types(count), {
      where: 'config.json layer_types',
      problem: expect.stringContaining(`it has ${count} entries, but num_hidden_layers is 2`),
    });
  }
});

const meant = 'the value that the checkpoint was made with';
test.each<[object, field: string, problem: string, allowed: string]>([
  [{ hidden_size: 0 }, 'hidden_size', 'got 0', 'a number above 0'],
  [{ hidden_size: 2.5 }, 'hidden_size', 'got 2.5', 'a whole number'],
  [{ vocab_size: undefined }, 'vocab_size', 'it is missing', 'a number'],
  [{ vocab_size: '64' }, 'vocab_size', 'got "64"', 'a number'],
  [{ attention_dropout: 1 }, 'attention_dropout', 'got 1', 'a number below 1'],
  [{ attention_dropout: -1 }, 'attention_dropout', 'got -1', 'a number of at least 0'],
  [{ attention_bias: 'no' }, 'attention_bias', 'got "no"', 'true or false'],
  [{ hidden_act: 'swish9' }, 'hidden_act', 'got "swish9"', 'one of '],
  [
    { rope_scaling: { type: 'dynamite' } },
    'rope_scaling.rope_type',
    'got "dynamite"',
    'one of default, dynamic, linear',
  ],
  [{ rope_scaling: { type: 'linear' } }, 'rope_scaling.factor', 'it is missing', 'a number'],
  [{ rope_scaling: 'yarn' }, 'rope_scaling', 'got "yarn"', ''],
])('%j: field, value and what it takes are told', (changes, field, problem, allowed) => {
  const fix = expect.stringMatching(new RegExp(`^give ${allowed}.*${meant}$`));
  refused({ model_type: 'llama', ...changes }, { where: `config.json ${field}`, problem, fix });
});

test('of values that do not go together one is told with the reason', () => {
  refused(
    { model_type: 'llama', num_key_value_heads: 3 },
    { problem: 'got 3: the heads cannot be divided evenly among those of keys' },
  );
});
