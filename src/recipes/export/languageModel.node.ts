/** A language model leaves whole, with what methods added folded in. */
import { copyFile, readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fingerprintOf } from '../../inference/fingerprint.ts';
import { openTokenScorer } from '../../inference/index.ts';
import { type LanguageModel, openLanguageModel } from '../../inference/languageModel.node.ts';
import { type FloatTensor, mergedTensors } from '../../inference/merged.ts';
import type { ModelSource } from '../../inference/modelFolder.node.ts';
import { buildProgram, tokenInputs } from '../../models/nn/index.ts';
import { type Adapter, MANIFEST, type ModelNotes } from '../../store/adapters/index.ts';
import { writeJson } from '../../store/runs/atomic.node.ts';
import { writeModel } from '../../store/runs/index.ts';
import { causalLm } from '../../tasks/index.ts';
import { frozenMemory } from '../../training/index.ts';
import type { Target } from '../target.node.ts';
import { runTasks } from '../train/tasks/index.ts';
import { writeDecoder } from './decoder.node.ts';
import type { Precision } from './inferenceGraph.ts';
import { refuseDrift } from './plainModel.node.ts';

export interface Leaving {
  readonly form: 'onnx' | 'hf';
  /** Of `onnx`. */
  readonly precisions: readonly Precision[];
  readonly where: string;
  readonly write: (fill: (folder: string) => Promise<void>) => Promise<void>;
}

/** Returns how far the scores moved by the folding. */
export async function exportLanguageModel(target: Target, leaving: Leaving): Promise<number> {
  const { form, precisions, where, write } = leaving;
  const threads = availableParallelism();
  await using model = await openLanguageModel(target.artifact, { threads, basePrecision: 'fp32' });
  const tensors = await mergedTensors(model.program, { memory: model.memory, open: model.open, threads });
  const difference = model.program.merged.size > 0 ? await drift(model, tensors, { threads, where }) : 0;
  const whole = { source: model.source, tensors };
  await write((folder) =>
    form === 'onnx' ? writeDecoder(folder, target, { ...whole, precisions }) : writeWhole(folder, target, whole),
  );
  return difference;
}

async function writeWhole(
  folder: string,
  { adapter, maxLength }: Target,
  { source, tensors }: { readonly source: ModelSource; readonly tensors: readonly FloatTensor[] },
): Promise<void> {
  const config = runTasks['causal-lm'].modelConfig(source, { labels: [] });
  await writeModel(folder, { config, tensors, tokenizerFolder: source.folder });
  if (adapter) await copyChat(adapter, folder);
  const notes: ModelNotes = { format: 1, kind: 'model', ...(maxLength !== undefined && { max_length: maxLength }) };
  await writeJson(join(folder, MANIFEST), notes);
}

/** The template that the adapter was trained with stands in for that of the base. */
async function copyChat(adapter: Adapter, folder: string): Promise<void> {
  for (const name of await readdir(adapter.folder)) {
    if (/^(chat_template\.jinja|generation_config\.json)$/.test(name)) {
      await copyFile(join(adapter.folder, name), join(folder, name));
    }
  }
}

interface Drifting {
  readonly threads: number;
  readonly where: string;
}

async function drift(
  { source, scorer, open }: LanguageModel,
  tensors: readonly FloatTensor[],
  { threads, where }: Drifting,
): Promise<number> {
  const program = buildProgram(causalLm(source.description), { batch: tokenInputs() });
  const frozen = new Map(tensors.map(({ name, data }) => [name, data]));
  const memory = frozenMemory(frozen);
  await using merged = await openTokenScorer(program, { memory, open, threads });
  const before = (await fingerprintOf(scorer, source.description)).flat();
  const after = (await fingerprintOf(merged, source.description)).flat();
  return refuseDrift(before, after, where);
}
