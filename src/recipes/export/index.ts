/**
 * recipes/export — a target leaves as ordinary files: a Hugging Face folder, a PEFT or MLX-LM adapter, ONNX for
 * transformers.js.
 * Invariant: what leaves answers as the target does, and nothing is written over.
 */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { openClassifier } from '../../inference/classifier.node.ts';
import { readModelFolder } from '../../inference/modelFolder.node.ts';
import { isLanguageModel } from '../kindOf.node.ts';
import { openTarget, type Target } from '../target.node.ts';
import { adapterWriter } from './adapter.node.ts';
import { writeHuggingFace } from './hf.node.ts';
import type { Precision } from './inferenceGraph.ts';
import { exportLanguageModel } from './languageModel.node.ts';
import { writeOnnx } from './onnx.node.ts';
import { filesOf, refuseUsedPlace, type WrittenFile, writeFolder } from './outputFolder.node.ts';
import { plainModel } from './plainModel.node.ts';

export { type Precision, precisions } from './inferenceGraph.ts';

export const forms = ['onnx', 'hf', 'peft', 'mlx'] as const;
export type Form = (typeof forms)[number];

export interface ExportOptions {
  readonly form: Form;
  readonly output: string;
  /** Of `onnx`: one file each. */
  readonly precisions: readonly Precision[];
  readonly signal: AbortSignal;
}

export interface Exported {
  readonly path: string;
  readonly files: readonly WrittenFile[];
  /** Between scores with the additions beside the weights and folded into them; undefined where nothing is folded. */
  readonly maxLogitDifference?: number;
  /** A threshold of the model that readers of these files do not know of. */
  readonly lostThreshold?: number | undefined;
}

export async function exportTarget(reference: string, options: ExportOptions): Promise<Exported> {
  const { form, output, signal } = options;
  await refuseUsedPlace(output);
  const target = await openTarget(reference, signal);
  const path = resolve(output);
  if (form === 'peft' || form === 'mlx') {
    await writeFolder(path, await adapterWriter(target, { form, reference }));
    return { path, files: await filesOf(path) };
  }
  if (await isLanguageModel(target)) {
    const write = (fill: (folder: string) => Promise<void>): Promise<void> => writeFolder(path, fill);
    const difference = await exportLanguageModel(target, {
      form,
      precisions: options.precisions,
      where: reference,
      write,
    });
    return { path, files: await filesOf(path), maxLogitDifference: difference };
  }
  if (form === 'onnx') await refuseUnread(target, reference);
  const { artifact, maxLength } = target;
  const opening = { threads: availableParallelism(), maxLength, batchSize: 1 };
  // What was learned over rounded weights is folded into the exact ones.
  await using model = await openClassifier(artifact, { ...opening, basePrecision: 'fp32' });
  const plain = await plainModel(model, reference);
  signal.throwIfAborted();
  const write = form === 'onnx' ? writeOnnx : writeHuggingFace;
  await writeFolder(path, (folder) => write(folder, plain, options.precisions));
  const { maxLogitDifference, threshold } = plain;
  return { path, files: await filesOf(path), maxLogitDifference, ...(form === 'onnx' && { lostThreshold: threshold }) };
}

/** A classifier that transformers.js has no class for: it has those that read a text in both directions. */
async function refuseUnread({ artifact }: Target, where: string): Promise<void> {
  const { architecture } = (await readModelFolder(artifact.folder)).description;
  if (!architecture.languageModel) return;
  throw new AttuneError({
    code: 'EXPORT_UNSUPPORTED',
    where: `${where} --to onnx`,
    problem: `transformers.js opens no classifier of the type ${architecture.modelType}`,
    fix: 'write the whole model with --to hf, and use it with Transformers',
  });
}
