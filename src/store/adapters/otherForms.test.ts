import { expect, test } from 'vitest';
import { type MethodName, methods } from '../../methods/index.ts';
import { otherForms } from './otherForms.ts';

const settings = (name: MethodName, given: object = {}) => methods[name].settings.parse({ name, ...given });

test.each([
  ['peft', settings('adapter'), 'export it --to adapterhub, or write the whole model with --to hf'],
  ['peft', settings('bitfit'), 'write the whole model with --to hf'],
  ['adapterhub', settings('dora'), 'export it --to peft, or write the whole model with --to hf'],
  ['adapterhub', settings('freeze', { trainable: 1 }), 'write the whole model with --to hf'],
  ['mlx', settings('adapter'), 'export it --to adapterhub, or write the whole model with --to hf'],
  ['mlx', settings('ia3'), 'export it --to peft, or write the whole model with --to hf'],
  ['peft', undefined, 'write the whole model with --to hf'],
] as const)('what cannot leave --to %s is sent where it can', (form, method, words) => {
  expect(otherForms(form, method)).toBe(words);
});
