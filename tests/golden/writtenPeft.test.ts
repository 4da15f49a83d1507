/** Settings that PEFT takes otherwise: what is written for it has to open there and answer the same. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { methods } from '../../src/methods/index.ts';
import {
  expectInPeft,
  expectLossInPeft,
  expectReadBack,
  lossOfFolder,
  python,
  writtenClassifier,
  writtenDecoder,
} from './writtenPeft.ts';

describe('IA³ names as feedforward_modules what scales inputs', () => {
  const layers = (...ends: string[]) =>
    [0, 1, 2].flatMap((layer) => ends.map((end) => `bert.encoder.layer.${layer}.${end}`));
  const ends = layers('attention.output.dense', 'output.dense');
  const all = [
    ...layers('attention.self.query', 'attention.self.key', 'attention.self.value'),
    ...layers('attention.output.dense', 'intermediate.dense', 'output.dense'),
  ];
  const cases: Record<string, { given: object; targets: unknown; feedforward: unknown }> = {
    'none of them': { given: { target_modules: ['query', 'value'] }, targets: ['query', 'value'], feedforward: [] },
    'none, chosen by an expression': {
      given: { target_modules: '.*query' },
      targets: layers('attention.self.query'),
      feedforward: [],
    },
    'none, as they wish': {
      given: { target_modules: ['output.dense'], feedforward_modules: [] },
      targets: ['output.dense'],
      feedforward: [],
    },
    'an entry': {
      given: { target_modules: ['query', 'layer.1.output.dense'] },
      targets: ['query', 'layer.1.output.dense'],
      feedforward: ['layer.1.output.dense'],
    },
    'of every layer': {
      given: { target_modules: 'all-linear' },
      targets: [...all, 'bert.pooler.dense'],
      feedforward: ends,
    },
    'some of an entry': {
      given: { target_modules: ['query', 'dense'], feedforward_modules: ['output.dense'] },
      targets: [...layers('attention.self.query'), ...ends, ...layers('intermediate.dense'), 'bert.pooler.dense'],
      feedforward: ends,
    },
    'an expression': {
      given: { target_modules: ['query', 'dense'], feedforward_modules: '.*output.dense' },
      targets: ['query', 'dense'],
      feedforward: '.*output.dense',
    },
  };

  test.each(Object.entries(cases))('%s', async (_, { given, targets, feedforward }) => {
    const { folder, config, logits } = await writtenClassifier(methods.ia3.settings.parse({ name: 'ia3', ...given }));
    const sorted = (names: unknown) => (Array.isArray(names) ? names.toSorted() : names);
    expect(sorted(config['target_modules'])).toEqual(sorted(targets));
    expect(sorted(config['feedforward_modules'])).toEqual(sorted(feedforward));
    await expectReadBack(folder, logits);
    if (python) expectInPeft(folder, logits);
  });
});

describe('modules_to_save, which PEFT compares letter by letter', () => {
  test.each([
    ['llama', ['norm'], ['model.norm']],
    ['llama', ['input_layernorm', 'model.norm'], ['input_layernorm', 'model.norm']],
    ['gpt2', ['ln_f', 'attn'], ['ln_f', 'transformer.h.0.attn', 'transformer.h.1.attn']],
  ])('%s: %j are %j there', async (family, given, written) => {
    const target_modules = family === 'gpt2' ? ['c_fc'] : ['q_proj'];
    const method = methods.lora.settings.parse({ name: 'lora', r: 2, target_modules, modules_to_save: given });
    const { folder, config, loss } = await writtenDecoder(family, method);
    expect(config['modules_to_save']).toEqual(written);
    expect(await lossOfFolder(family, folder)).toBe(loss);
    if (python) expectLossInPeft(family, { folder, loss });
  });
});

test('modules that PEFT saved under a name that only ends theirs are read', async () => {
  const norms = ['model.norm', 'input_layernorm', 'post_attention_layernorm'];
  const given = { name: 'lora', r: 2, target_modules: ['q_proj'], modules_to_save: norms };
  const { folder, config, loss } = await writtenDecoder('llama', methods.lora.settings.parse(given));
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ ...config, modules_to_save: ['norm'] }));
  expect(await lossOfFolder('llama', folder)).toBe(loss);
  if (python) expectLossInPeft('llama', { folder, loss });
});

describe('an embedding that scores tokens too', () => {
  const ranks = { init_r: 3, target_r: 2, tinit: 0, tfinal: 1, total_step: 5 };
  test.each([
    ['gpt2', 'lora', ['wte'], { r: 2, target_modules: ['c_attn'] }],
    ['gpt2', 'adalora', ['ln_f', 'transformer.wte'], { ...ranks, target_modules: ['c_attn'] }],
    ['qwen2', 'dora', ['embed_tokens'], { r: 2, target_modules: ['q_proj'] }],
  ] as const)('%s: %s saves %j for PEFT as one matrix', async (family, name, modules_to_save, given) => {
    const settings = { name, ...given, modules_to_save, ensure_weight_tying: true };
    const { folder, config, loss } = await writtenDecoder(family, methods[name as 'lora'].settings.parse(settings));
    // PEFT ties what it saves only beside one of its own names for embeddings.
    expect(config['modules_to_save']).toEqual(family === 'gpt2' ? [...modules_to_save, 'lm_head'] : modules_to_save);
    expect(config['ensure_weight_tying']).toBe(true);
    expect(await lossOfFolder(family, folder)).toBe(loss);
    if (python) expectLossInPeft(family, { folder, loss });
  });
});
