/** Opens golden files, and a model folder as a program with its weights in memory. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Value, Values } from '../../src/engine/runtime/index.ts';
import { openRuntime } from '../../src/engine/runtime/openRuntime.node.ts';
import { openFile } from '../../src/files/bytes.node.ts';
import { openSafetensors } from '../../src/files/index.ts';
import { openCheckpoint, requireJson } from '../../src/files/modelFolder.node.ts';
import { full } from '../../src/methods/full.ts';
import { describeModel } from '../../src/models/index.ts';
import { buildProgram } from '../../src/models/nn/index.ts';
import { classify } from '../../src/tasks/index.ts';
import { allocateParameters, loadParameters } from '../../src/training/index.ts';

export const goldenFolder = join(import.meta.dirname);
export const runtime = await openRuntime();
export const readGolden = (name: string) => JSON.parse(readFileSync(join(goldenFolder, name), 'utf8'));

/** Every tensor of a golden file, or of another by its whole path, as float32 (integers become numbers). */
export async function readTensors(
  name: string,
): Promise<Map<string, { shape: readonly number[]; data: Float32Array }>> {
  const file = await openSafetensors(await openFile(resolve(goldenFolder, name)));
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [key, { shape }] of file.tensors) tensors.set(key, { shape, data: await file.readFloats(key) });
  await file.close();
  return tensors;
}

/** A classification model for full fine-tuning without dropout. */
export async function openClassifier(folder: string, numLabels: number, changes: object = {}) {
  const description = describeModel({ ...((await requireJson(folder, 'config.json')) as object), ...changes }, folder);
  const program = buildProgram(classify(description, { numLabels }), {
    methods: [full.attach({ name: 'full' }, description.architecture)],
  });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const base = { ...(await openCheckpoint(folder)), where: folder };
  const { architecture } = description;
  const loaded = await loadParameters(memory, parameters, { base, architecture, seed: 0 });
  await base.close();
  return { program, memory, loaded };
}

type Tensors = Awaited<ReturnType<typeof readTensors>>;

/** A golden batch under the names of the graph's inputs. */
export function feedsOf(golden: Tensors, prefix = 'input'): Values {
  const ids = golden.get(`${prefix}.input_ids`)!;
  const [rows, tokens] = ids.shape as [number, number];
  const read = (name: string): Value => {
    const { shape, data } = golden.get(`${prefix}.${name}`)!;
    return { dtype: 'int32', shape, data: Int32Array.from(data) };
  };
  const positions = Int32Array.from({ length: rows * tokens }, (_, i) => i % tokens);
  const labels = golden.has(`${prefix}.labels`) ? read('labels') : undefined;
  return {
    input_ids: read('input_ids'),
    attention_mask: read('attention_mask'),
    token_type_ids: read('token_type_ids'),
    position_ids: { dtype: 'int32', shape: [rows, tokens], data: positions },
    labels: labels ?? { dtype: 'int32', shape: [rows], data: new Int32Array(rows) },
  };
}

/** Largest |a − b| over the largest |b|. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>, floor = 1e-30): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values, expected ${expected.length}`);
  let difference = 0;
  let scale = floor;
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return difference / scale;
}

/** The folder of all-MiniLM-L6-v2, where it has been fetched; else undefined, said aloud. */
export function minilmFolder(): string | undefined {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(process.env.HOME ?? '', '.cache'), 'attune', 'models');
  const given = process.env.ATTUNE_TEST_MINILM ?? cache;
  if (existsSync(join(given, 'model.safetensors'))) return given;
  console.warn('SKIPPED: tests on all-MiniLM-L6-v2 (set ATTUNE_TEST_MINILM to its folder)');
  return undefined;
}
