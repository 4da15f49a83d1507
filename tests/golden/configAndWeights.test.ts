/** Weights that config.json has no place for are refused, not left out. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkpointOver } from '../../src/files/index.ts';
import { requireJson } from '../../src/files/modelFolder.node.ts';
import { describeModel } from '../../src/models/index.ts';
import { batchInputs, buildProgram, tokenInputs } from '../../src/models/nn/index.ts';
import { causalLm, classify } from '../../src/tasks/index.ts';
import { allocateParameters, loadParameters, placeParameters } from '../../src/training/index.ts';
import { families, folderOf } from './decoderModels.ts';
import { goldenFolder } from './fixtures.ts';

type Tensors = Parameters<typeof checkpointOver>[0];

/** A model of zeros as its config.json describes it, and tensors that stand beside its own. */
async function place(folder: string, more: readonly string[], isEncoder = false) {
  const description = describeModel(await requireJson(folder, 'config.json'), folder);
  const program = isEncoder
    ? buildProgram(classify(description, { numLabels: 2 }), { batch: batchInputs() })
    : buildProgram(causalLm(description), { batch: tokenInputs() });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const zeros = (shape: readonly number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
  const tensors: Tensors = new Map([
    ...parameters.map(({ name, shape }) => [name, zeros(shape)] as const),
    ...more.map((name) => [name, zeros([2])] as const),
  ]);
  const { architecture } = description;
  return placeParameters(parameters, { base: { ...checkpointOver(tensors), where: 'base' }, architecture, seed: 0 });
}

test.each([
  ['llama', 'model.layers.1.self_attn.q_proj.bias', 'look there at `model_type` and `attention_bias`'],
  ['llama', 'model.layers.0.mlp.gate_proj.bias', 'look there at `model_type` and `mlp_bias`'],
  ['llama', 'model.layers.0.self_attn.q_norm.weight', 'look there at `model_type`'],
  ['mistral', 'model.layers.0.mlp.down_proj.weight_scale', 'look there at `model_type`'],
  ['gpt2', 'transformer.h.0.crossattention.c_attn.weight', 'look there at `model_type`'],
])('%s has no place for %s', async (family, name, fix) => {
  await expect(place(folderOf(family), [name])).rejects.toMatchObject({
    code: 'MODEL_WEIGHTS',
    where: 'base',
    problem: expect.stringContaining(`'${name}'`),
    fix: expect.stringContaining(fix),
  });
});

test.each([
  ['llama', 'model.layers.0.self_attn.rotary_emb.inv_freq'],
  ['llama', 'vision.blocks.0.norm.weight'],
  ['gpt2', 'transformer.h.0.attn.bias'],
  ['gpt2', 'transformer.h.1.attn.masked_bias'],
])('%s opens with %s, which nobody reads', async (family, name) => {
  expect(await place(folderOf(family), [name])).not.toHaveLength(0);
});

test('a head of its own beside tied embeddings is refused, unless it is the same matrix', async () => {
  const description = describeModel(await requireJson(folderOf('gemma2'), 'config.json'), 'config.json');
  const program = buildProgram(causalLm(description), { batch: tokenInputs() });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const load = async (values: number, shape?: readonly number[]) => {
    const filled = (of: readonly number[], value: number) => ({
      shape: of,
      data: new Float32Array(of.reduce((a, b) => a * b, 1)).fill(value),
    });
    const own = parameters.map(({ name, shape: of }) => [name, filled(of, 1)] as const);
    const [, table] = own.find(([name]) => name === 'model.embed_tokens.weight')!;
    const tensors: Tensors = new Map([...own, ['lm_head.weight', filled(shape ?? table.shape, values)]]);
    const base = { ...checkpointOver(tensors), where: 'base' };
    const { architecture } = description;
    return await loadParameters(allocateParameters(parameters), parameters, { base, architecture, seed: 0 });
  };
  expect((await load(1)).unused).toEqual(['lm_head.weight']);
  const refusal = {
    code: 'MODEL_WEIGHTS',
    where: "base 'lm_head.weight'",
    problem: expect.stringContaining("'model.embed_tokens.weight'"),
    fix: expect.stringContaining('tie_word_embeddings: false'),
  };
  await expect(load(2)).rejects.toMatchObject(refusal);
  await expect(load(1, [2, 2])).rejects.toMatchObject(refusal);
});

test.each(families)('%s opens as it is', async (family) => {
  expect(await place(folderOf(family), [])).not.toHaveLength(0);
});

test('an encoder opens with heads of other tasks', async () => {
  const more = ['cls.predictions.bias', 'bert.embeddings.position_ids', 'bert.encoder.layer.0.crossattention.x'];
  expect(await place(join(goldenFolder, 'bert-tiny/model'), more, true)).not.toHaveLength(0);
});
