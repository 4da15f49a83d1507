/** Where LoftQ has something to make up for, and where it says that it has not. */
import { expect, test } from 'vitest';
import { requireJson } from '../../src/files/modelFolder.node.ts';
import { attachMethod, methods } from '../../src/methods/index.ts';
import { describeModel } from '../../src/models/index.ts';
import { buildProgram, type OwnForms } from '../../src/models/nn/index.ts';
import { classify } from '../../src/tasks/index.ts';
import { goldenFolder } from '../golden/fixtures.ts';
import { openPartial } from '../golden/partial.ts';

const folder = `${goldenFolder}/bert-tiny/model`;
const description = describeModel(await requireJson(folder, 'config.json'), folder);
const lora = (given: object) => methods.lora.settings.parse({ name: 'lora', r: 4, ...given });
const loftq = (given: object) => lora({ init: 'loftq', base_precision: 'int4', ...given });

function build(method: ReturnType<typeof lora>, ownForms?: OwnForms) {
  const options = { methods: [attachMethod(method, description.architecture)], basePrecision: method.base_precision };
  return buildProgram(classify(description, { numLabels: 3 }), { ...options, ownForms });
}

const inBlocks = { bits: 4 as const, hasOffsets: true, transposed: false };

test.each([
  ['a base that is not rounded', loftq({ base_precision: 'fp32' }), undefined, 'method.init', /fp32 is not rounded/],
  ['sides that are no blocks', loftq({ target_modules: ['intermediate.dense'] }), undefined, 'method.init', /of 32/],
  ['a file in 4 bits', loftq({}), () => inBlocks, 'method.init', /keeps these weights in 4 bits already/],
  ['turns of another start', lora({ loftq_iter: 2 }), undefined, 'method.loftq_iter', /init is default/],
])('%s is refused', (_, method, ownForms, where, problem) => {
  expect(() => build(method, ownForms)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', where, problem: expect.stringMatching(problem) }),
  );
});

test("a layer whose blocks are the file's own starts as usual beside others that do not", () => {
  const { parameters } = build(loftq({ loftq_iter: 2 }), (name) => (name.includes('query') ? inBlocks : undefined));
  const of = (end: string) => parameters.filter(({ parameter: { name } }) => name.endsWith(end));
  expect(of('value.weight').every(({ parameter }) => parameter.replaced)).toBe(true);
  expect(of('query.weight').some(({ parameter }) => parameter.replaced)).toBe(false);
  expect(of('value.lora_A_taken.weight')).toHaveLength(3);
  expect(of('query.lora_A_taken.weight')).toHaveLength(0);
  expect(of('query.lora_B.weight').every(({ parameter }) => parameter.fresh === 'zeros')).toBe(true);
});

test('after one turn the frozen base is the rounded one, by the bit; after two it is another', async () => {
  const packed = async (method: ReturnType<typeof lora>) => (await openPartial(method)).memory.packed;
  const plain = await packed(lora({ base_precision: 'int4' }));
  expect(await packed(loftq({}))).toEqual(plain);
  expect(await packed(loftq({ loftq_iter: 2 }))).not.toEqual(plain);
});
