/** Small decoders whose widths are whole blocks of 32. Those of the golden files are 24 and 40: int4 would leave them in fp32. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { normal, stream } from '../../src/engine/random/index.ts';
import { safetensorsChunks } from '../../src/files/index.ts';
import { requireJson } from '../../src/files/modelFolder.node.ts';
import { describeModel } from '../../src/models/index.ts';
import { buildProgram, tokenInputs } from '../../src/models/nn/index.ts';
import { causalLm } from '../../src/tasks/index.ts';
import { folderOf } from '../golden/decoderModels.ts';

const widths = {
  llama: { hidden_size: 32, head_dim: 8, num_key_value_heads: 4, intermediate_size: 64 },
  gpt2: { n_embd: 32, n_inner: 64 },
};

/** Fills a new folder with config.json and random weights. */
export async function writeBlockDecoder(family: keyof typeof widths, folder: string): Promise<void> {
  const config = { ...((await requireJson(folderOf(family), 'config.json')) as object), ...widths[family] };
  const { parameters } = buildProgram(causalLm(describeModel(config, folder)), { batch: tokenInputs() });
  const tensors = parameters.map(({ parameter: { name, shape } }) => {
    const draws = stream(1, name);
    // As in the golden files: every tensor far from its usual start.
    const middle = /norm|ln_/.test(name) && name.endsWith('weight') ? 1 : 0;
    const count = shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: count }, (_, i) => middle + 0.3 * normal(draws, i));
    return { name, dtype: 'float32' as const, shape, data };
  });
  mkdirSync(folder);
  writeFileSync(`${folder}/config.json`, JSON.stringify(config));
  writeFileSync(`${folder}/model.safetensors`, Buffer.concat([...safetensorsChunks(tensors)]));
}
