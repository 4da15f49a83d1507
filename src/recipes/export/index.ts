/**
 * recipes/export — a target leaves as ordinary files: a Hugging Face folder, a PEFT, AdapterHub or MLX-LM adapter, ONNX for
 * transformers.js.
 * Invariant: what leaves answers as the target does, and nothing is written over.
 */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { openClassifier } from '../../inference/classifier.node.ts';
import { readModelFolder } from '../../inference/modelFolder.node.ts';
import { basePrecisionOf } from '../../methods/index.ts';
import { labelledExamples, labelledRows } from '../evaluate.node.ts';
import { isLanguageModel } from '../kindOf.node.ts';
import { openTarget, type Target } from '../target.node.ts';
import { adapterForms, adapterWriter } from './adapters/adapter.node.ts';
import type { Drift, Limit, MergeBase } from './drift.ts';
import { writeHuggingFace } from './hf.node.ts';
import type { Precision } from './inferenceGraph.ts';
import { exportLanguageModel } from './languageModel.node.ts';
import { measuredRows } from './measuredRows.ts';
import { writeOnnx } from './onnx.node.ts';
import { filesOf, refuseUsedPlace, type WrittenFile, writeFolder } from './outputFolder.node.ts';
import { type PlainModel, plainModel } from './plainModel.node.ts';

export { type MergeBase, mergeBases } from './drift.ts';
export { type Precision, precisions } from './inferenceGraph.ts';

export const forms = ['onnx', 'hf', ...adapterForms] as const;
export type Form = (typeof forms)[number];

/** Whether nothing is folded into weights. */
export const isAdapterForm = (form: Form): form is (typeof adapterForms)[number] =>
  adapterForms.some((own) => own === form);

export interface ExportOptions {
  readonly form: Form;
  readonly output: string;
  /** Of `onnx`: one file each. */
  readonly precisions: readonly Precision[];
  /** Of whole models; left out: the weights that the adapter was trained over. */
  readonly base?: MergeBase | undefined;
  /** How far scores may move by the folding, as a share of the largest; left out: as far as rounding explains. */
  readonly maxDrift?: number | undefined;
  /** Files that scores and metrics are compared on; left out: a run's own test or validation data. */
  readonly data?: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

export interface Exported {
  readonly path: string;
  readonly files: readonly WrittenFile[];
  /** Between the target and what was written; undefined for an adapter alone. */
  readonly drift?: Drift;
  /** What the adapter was folded into, where the base was rounded. */
  readonly base?: MergeBase;
  /** A threshold of the model that readers of these files do not know of. */
  readonly lostThreshold?: number | undefined;
}

export async function exportTarget(reference: string, options: ExportOptions): Promise<Exported> {
  const { form, output, signal } = options;
  await refuseUsedPlace(output);
  const target = await openTarget(reference, signal);
  const path = resolve(output);
  if (isAdapterForm(form)) {
    await writeFolder(path, await adapterWriter(target, { form, reference }));
    return { path, files: await filesOf(path) };
  }
  const { artifact } = target;
  const precision = artifact.adapter ? basePrecisionOf(artifact.adapter.method) : 'fp32';
  const { base = 'dequantised', maxDrift, data } = options;
  const limit = { base, precision, maxDrift, where: reference };
  const told = precision === 'fp32' ? {} : { base };
  if (await isLanguageModel(target)) {
    const write = (fill: (folder: string) => Promise<void>): Promise<void> => writeFolder(path, fill);
    const { precisions } = options;
    const drift = await exportLanguageModel(target, { form, precisions, ...limit, data, signal, write });
    return { path, files: await filesOf(path), drift, ...told };
  }
  if (form === 'onnx') await refuseUnread(target, reference);
  const plain = await plainClassifier(target, { ...limit, data, signal });
  signal.throwIfAborted();
  const write = form === 'onnx' ? writeOnnx : writeHuggingFace;
  await writeFolder(path, (folder) => write(folder, plain, options.precisions));
  const { drift, threshold } = plain;
  return { path, files: await filesOf(path), drift, ...told, ...(form === 'onnx' && { lostThreshold: threshold }) };
}

interface Wish extends Limit {
  readonly data: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

async function plainClassifier(target: Target, { data, signal, ...limit }: Wish): Promise<PlainModel> {
  const { artifact, maxLength } = target;
  const opening = { threads: availableParallelism(), maxLength, batchSize: 1 };
  await using model = await openClassifier(artifact, opening);
  const isOther = limit.base === 'original' && limit.precision !== 'fp32';
  await using over = isOther ? await openClassifier(artifact, { ...opening, basePrecision: 'fp32' }) : undefined;
  const examples = await measuredRows(() => labelledExamples(target, data), data);
  const rows = examples && labelledRows(examples, model);
  return await plainModel(model, { ...limit, rows, signal, ...(over && { over }) });
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
