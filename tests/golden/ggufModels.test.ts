/** Every architecture from a .gguf file: it answers as from the Hugging Face weights and config that it was made of. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openFile } from '../../src/files/bytes.node.ts';
import { joinFiles, openSafetensors } from '../../src/files/index.ts';
import { openCheckpoint, requireJson } from '../../src/files/modelFolder.node.ts';
import { describeModel } from '../../src/models/index.ts';
import { buildProgram, tokenInputs } from '../../src/models/nn/index.ts';
import { causalLm } from '../../src/tasks/index.ts';
import { allocateParameters, loadParameters, type NamedCheckpoint } from '../../src/training/index.ts';
import { logitsOf, plainBatch } from './decoderModels.ts';
import { goldenFolder, readGolden, relativeError } from './fixtures.ts';

const folder = join(goldenFolder, 'gguf', 'models');
const { cases } = readGolden('gguf/models/models.json') as { cases: Record<string, Case> };
interface Case {
  readonly model_type: string;
  readonly settings: object;
  readonly tie_word_embeddings: boolean;
  readonly layer_types: string[] | null;
}

const ids = [3, 17, 5, 9, 22, 11, 4, 8];
const { feeds } = plainBatch([{ input_ids: ids, labels: ids }]);

async function answer(config: unknown, base: NamedCheckpoint) {
  const description = describeModel(config, 'config.json');
  const program = buildProgram(causalLm(description), { batch: tokenInputs() });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const { architecture } = description;
  const loaded = await loadParameters(memory, parameters, { base, architecture, seed: 0 });
  await base.close();
  expect(loaded).toEqual({ fresh: [], unused: [] });
  return await logitsOf({ program, memory } as Parameters<typeof logitsOf>[0], feeds);
}

test.each(Object.entries(cases))('%s', async (name, { model_type, settings, tie_word_embeddings, layer_types }) => {
  const path = join(folder, `${name}.gguf`);
  const found = await answer(await requireJson(path, 'config.json'), {
    ...(await openCheckpoint(path)),
    where: path,
  });
  const weights = joinFiles([await openSafetensors(await openFile(join(folder, `${name}.safetensors`)))]);
  const config = { model_type, tie_word_embeddings, ...(layer_types && { layer_types }), ...settings };
  const wanted = await answer(config, { ...weights, where: name });
  expect(relativeError(found, wanted)).toBeLessThan(1e-6);
});
