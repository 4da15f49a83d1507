/** Embeddings that score tokens too, where `modules_to_save` names them: PEFT ties what it trains of them only if it is told to. */
import { expect, test } from 'vitest';
import { type MethodName, methods } from '../../src/methods/index.ts';
import { openDecoder } from '../golden/decoderModels.ts';
import { openPartial } from '../golden/partial.ts';

const run = { totalSteps: 10, stepsOfEpoch: [10] };
const settingsOf = (name: MethodName, given: object) => methods[name as 'lora'].settings.parse({ name, ...given });
const onGpt2 = (name: MethodName, given: object) => openDecoder('gpt2', { method: settingsOf(name, given), run });
const ensure_weight_tying = true;

test.each([
  ['lora', { modules_to_save: ['wte'] }, /^'wte' is named; 'transformer.wte' and 'lm_head' are one matrix/],
  ['dora', { modules_to_save: ['ln_f', 'transformer.wte'] }, /^'transformer.wte' is named; /],
  ['adalora', { modules_to_save: ['wte'] }, /^'wte' is named; /],
  ['lora', { modules_to_save: ['lm_head'] }, /^'lm_head' is named; /],
  ['lora', { modules_to_save: ['lm_head'], ensure_weight_tying }, /^'lm_head' is named; /],
  [
    'lora',
    { modules_to_save: ['transformer'], ensure_weight_tying },
    /^'transformer' is named, which holds 'transformer.wte'; /,
  ],
  ['lora', { modules_to_save: ['wte', 'transformer'], ensure_weight_tying }, /^'transformer' is named, which holds /],
] as const)('%s with %j is refused over GPT-2', async (name, given, problem) => {
  await expect(onGpt2(name, given)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: 'method.modules_to_save',
    problem: expect.stringMatching(problem),
    fix: "leave it out, or name 'transformer.wte' there with ensure_weight_tying: true",
  });
});

test.each(['ia3', 'vera', 'ln_tuning'] as const)('%s has no way to tie them', async (name) => {
  await expect(onGpt2(name, { modules_to_save: ['wte'] })).rejects.toMatchObject({
    where: 'method.modules_to_save',
    fix: expect.stringMatching(/which lora, dora and adalora have$/),
  });
});

test.each([
  ['that are not named', { modules_to_save: ['ln_f'] }],
  ['that LoRA adds to', { target_modules: ['c_attn', 'wte'] }],
])('there is nothing to tie of embeddings %s', async (_, given) => {
  await expect(onGpt2('lora', { ...given, ensure_weight_tying })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: 'method.ensure_weight_tying',
  });
  await expect(onGpt2('lora', given)).resolves.toBeDefined();
});

test.each([['wte'], ['transformer.wte', 'lm_head']])(
  '%s is trained as one matrix where it is tied',
  async (...modules_to_save) => {
    const { memory } = await onGpt2('lora', { modules_to_save, ensure_weight_tying });
    const whole = [...memory.trained.values()].filter(({ parameter }) => !parameter.added);
    expect(whole.map(({ parameter }) => parameter.name)).toEqual(['transformer.wte.weight']);
  },
);

test('embeddings that score no tokens need no tying: beside a head of its own, and under a classifier', async () => {
  const llama = settingsOf('lora', { modules_to_save: ['embed_tokens'] });
  await expect(openDecoder('llama', { method: llama, run })).resolves.toBeDefined();
  const bert = settingsOf('ia3', { modules_to_save: ['word_embeddings'] });
  await expect(openPartial(bert, { run })).resolves.toBeDefined();
});
