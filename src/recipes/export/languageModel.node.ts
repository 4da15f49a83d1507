/** A language model leaves whole, with what methods added folded in. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { openLanguageModel } from '../../inference/languageModel.node.ts';
import { type FloatTensor, mergedTensors } from '../../inference/merged.ts';
import type { ModelSource } from '../../inference/modelFolder.node.ts';
import { MANIFEST, type ModelNotes } from '../../store/adapters/index.ts';
import { writeJson } from '../../store/runs/atomic.node.ts';
import { writeModel } from '../../store/runs/index.ts';
import { languageRows } from '../evaluateLanguage.node.ts';
import type { Target } from '../target.node.ts';
import { runTasks } from '../train/tasks/index.ts';
import { foldChat } from './chatFiles.node.ts';
import { writeDecoder } from './decoder.node.ts';
import { type Drift, type Limit, noDrift, refuseDrift } from './drift.ts';
import type { Precision } from './inferenceGraph.ts';
import { languageDrift } from './languageDrift.node.ts';
import { measuredRows } from './measuredRows.ts';
import { isChanged } from './plainModel.node.ts';

export interface Leaving extends Limit {
  readonly form: 'onnx' | 'hf';
  /** Of `onnx`. */
  readonly precisions: readonly Precision[];
  /** Files to compare on; left out: the target's own rows. */
  readonly data?: readonly string[] | undefined;
  readonly signal: AbortSignal;
  readonly write: (fill: (folder: string) => Promise<void>) => Promise<void>;
}

/** Returns how far the scores moved by the folding. */
export async function exportLanguageModel(target: Target, leaving: Leaving): Promise<Drift> {
  const { form, precisions, write, base, precision, signal } = leaving;
  const threads = availableParallelism();
  await using model = await openLanguageModel(target.artifact, { threads });
  const isOther = base === 'original' && precision !== 'fp32';
  await using other = isOther
    ? await openLanguageModel(target.artifact, { threads, basePrecision: 'fp32' })
    : undefined;
  const { program, memory, open } = other ?? model;
  const tensors = await mergedTensors(program, { memory, open, threads });
  const found = await measuredRows(() => languageRows(target, model.source, leaving.data), leaving.data);
  const drift = isChanged(model.program) ? await languageDrift(model, tensors, { rows: found?.rows, signal }) : noDrift;
  refuseDrift(drift, leaving);
  const whole = { source: model.source, tensors };
  await write((folder) =>
    form === 'onnx' ? writeDecoder(folder, target, { ...whole, precisions }) : writeWhole(folder, target, whole),
  );
  return drift;
}

async function writeWhole(
  folder: string,
  { adapter, maxLength }: Target,
  { source, tensors }: { readonly source: ModelSource; readonly tensors: readonly FloatTensor[] },
): Promise<void> {
  const config = runTasks['causal-lm'].modelConfig(source, { labels: [] });
  await writeModel(folder, { config, tensors, tokenizerFolder: source.folder });
  if (adapter) await foldChat(adapter, source, folder);
  const notes: ModelNotes = { format: 1, kind: 'model', ...(maxLength !== undefined && { max_length: maxLength }) };
  await writeJson(join(folder, MANIFEST), notes);
}
