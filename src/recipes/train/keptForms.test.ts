import { expect, test } from 'vitest';
import { requireJson } from '../../files/modelFolder.node.ts';
import { attachMethod, basePrecisionOf, type MethodSettings, parseMethod } from '../../methods/index.ts';
import { describeModel } from '../../models/index.ts';
import { buildProgram, tokenInputs } from '../../models/nn/index.ts';
import { causalLm, classify } from '../../tasks/index.ts';
import { keptForms } from './keptForms.ts';

const describe = async (folder: string) => describeModel(await requireJson(folder, 'config.json'), folder);
const [bert, llama] = [
  await describe('tests/golden/bert-tiny/model'),
  await describe('tests/golden/decoders/llama/model'),
];

function kept(
  given: { readonly name: string; readonly [key: string]: unknown },
  model: typeof bert = bert,
): string | undefined {
  const method: MethodSettings = parseMethod(given, 'test');
  const precision = basePrecisionOf(method);
  const options = { methods: [attachMethod(method, model.architecture)], basePrecision: precision };
  const program =
    model === bert
      ? buildProgram(classify(bert, { numLabels: 3 }), options)
      : buildProgram(causalLm(model), { ...options, batch: tokenInputs() });
  return keptForms(program, precision);
}

test('a base that is rounded in part says how much of it', () => {
  // The feed-forward layers of three blocks are [48, 32] and [32, 48].
  expect(kept({ name: 'lora', base_precision: 'int4' })).toBe(
    '13 of 19 frozen matrices are kept in int4; of the others: in 4 bits both sides of a matrix must be multiples of 32, ' +
      'and these are 48×32, 32×48',
  );
});

test('one that is rounded wholly, or not at all, says nothing', () => {
  expect(kept({ name: 'lora', base_precision: 'int8' })).toBeUndefined();
  expect(kept({ name: 'lora', base_precision: 'int8' }, llama)).toBeUndefined();
  expect(kept({ name: 'lora' })).toBeUndefined();
  expect(kept({ name: 'full' })).toBeUndefined();
});

test.each([
  [
    'lora in int4 over widths of 24',
    { name: 'lora', base_precision: 'int4' },
    llama,
    /^no matrix .* int4: .* 24×24, 12/,
  ],
  [
    'freeze with every layer trained',
    { name: 'freeze', trainable: 3, base_precision: 'int8' },
    bert,
    /trains every linear layer$/,
  ],
] as const)('%s is refused: nothing would be rounded', (_, method, model, problem) => {
  expect(() => kept(method, model)).toThrow(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      where: 'method.base_precision',
      problem: expect.stringMatching(problem),
    }),
  );
});
