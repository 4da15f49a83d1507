/** Expressions that reach more than linear layers: what they train, and what other programs are told of them. */
import { expect, test } from 'vitest';
import { type MethodName, type MethodSettings, methods } from '../../src/methods/index.ts';
import { bert } from '../../src/models/bert.ts';
import { peftFromSettings } from '../../src/store/adapters/peft/config.ts';
import { adaptedLayers } from '../../src/store/adapters/peft/names.ts';
import { openPartial } from '../golden/partial.ts';

const wide = '.*(attention|LayerNorm).*';
const settings = (name: MethodName, given: object): MethodSettings =>
  methods[name as 'lora'].settings.parse({ name, target_modules: wide, ...given });

test.each(['lora', 'dora', 'adalora'] as const)(
  '%s with bias: lora_only trains the biases of the layers that it adds to, and of no norm',
  async (name) => {
    const { memory } = await openPartial(settings(name, { bias: 'lora_only' }));
    const names = [...memory.trained.keys()].filter((key) => !key.startsWith('classifier.'));
    const biases = names.filter((key) => key.endsWith('.bias'));
    // Queries, keys, values and what follows attention, in three layers.
    expect(biases).toHaveLength(12);
    expect(biases.map((key) => key.slice(0, -'.bias'.length)).sort()).toEqual(adaptedLayers(names).sort());
  },
);

test.each(['lora', 'dora', 'adalora', 'vera', 'ia3'] as const)(
  "PEFT's folder of %s names the layers that an expression chose: PEFT would refuse norms and dropouts",
  async (name) => {
    const method = settings(name, {});
    const { memory } = await openPartial(method);
    const adapted = adaptedLayers([...memory.trained.keys()]);
    const identity = { baseName: 'base', facts: bert, adapted, headModules: ['classifier'], taskType: 'SEQ_CLS' };
    expect(adapted).toHaveLength(12);
    expect(peftFromSettings(method, identity)['target_modules']).toEqual(adapted);
  },
);

test('an expression over norms stays as it is', () => {
  const method = methods.ln_tuning.settings.parse({ name: 'ln_tuning', target_modules: '.*output.LayerNorm' });
  const identity = { baseName: 'base', facts: bert, adapted: [], headModules: [], taskType: 'SEQ_CLS' };
  expect(peftFromSettings(method, identity)['target_modules']).toBe('.*output.LayerNorm');
});
