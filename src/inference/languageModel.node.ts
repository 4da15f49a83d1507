/** A language model opened from its folder, or from an adapter and its base: it scores texts, or writes them. */

import type { OpenSession } from '../engine/runtime/index.ts';
import { openRuntime } from '../engine/runtime/openRuntime.node.ts';
import { AttuneError } from '../errors/index.ts';
import { openCheckpoint, ownFormsOf } from '../files/modelFolder.node.ts';
import { attachSaved, basePrecisionOf } from '../methods/index.ts';
import {
  type BasePrecision,
  buildProgram,
  type Method,
  type Program,
  type ProgramOptions,
  queryPartsFor,
  tokenInputs,
} from '../models/nn/index.ts';
import { type CausalLmOutputs, causalLm } from '../tasks/index.ts';
import type { ParameterMemory } from '../training/index.ts';
import { type Artifact, checkFingerprint } from './classifier.node.ts';
import { closingOnFailure } from './closingOnFailure.ts';
import { withFiniteScores, withFiniteTokens } from './finiteAnswers.ts';
import { type Decoder, openDecoder } from './generation/index.ts';
import { loadWeights } from './loadWeights.node.ts';
import { type ModelSource, readModelFolder } from './modelFolder.node.ts';
import type { Scorer } from './scorer.ts';
import { openTokenScorer } from './tokenScorer.ts';

interface Opening {
  readonly threads: number;
  /** The folder of the artifact, where it was read already. */
  readonly source?: ModelSource;
  /** Left out: as the adapter was trained. */
  readonly basePrecision?: BasePrecision | undefined;
  /** The most tokens of a text that is scored; left out: attention is computed whole, as suits short texts. */
  readonly longest?: number;
}

interface Loaded {
  readonly source: ModelSource;
  readonly program: Program<CausalLmOutputs>;
  readonly memory: ParameterMemory;
  readonly methods: readonly Method[];
  readonly form: Pick<ProgramOptions, 'basePrecision' | 'ownForms'>;
  readonly open: OpenSession;
}

/** Measures the loss of texts. */
export interface LanguageModel extends AsyncDisposable, Loaded {
  readonly scorer: Scorer;
}

export async function openLanguageModel(artifact: Artifact, { threads, ...opening }: Opening): Promise<LanguageModel> {
  const loaded = await load(artifact, opening);
  const { source, program, memory, open } = loaded;
  const weights = { memory, folder: artifact.folder };
  const scorer = withFiniteScores(await openTokenScorer(program, { memory, open, threads }), weights);
  // Over a base of another precision the scores differ by what rounding does.
  await closingOnFailure(scorer, async () => {
    if (loaded.form.basePrecision === trainedPrecision(artifact)) await checkFingerprint(artifact, source, scorer);
  });
  return { ...loaded, scorer, [Symbol.asyncDispose]: () => scorer[Symbol.asyncDispose]() };
}

/** Writes texts. */
export interface Writer extends AsyncDisposable {
  readonly source: ModelSource;
  readonly decoder: Decoder;
}

export async function openWriter(artifact: Artifact, { threads, ...opening }: Opening): Promise<Writer> {
  const basePrecision = opening.basePrecision ?? (await usualPrecision(artifact));
  const loaded = await load(artifact, { ...opening, basePrecision });
  const { source, memory, methods, form, open } = loaded;
  if (artifact.adapter && form.basePrecision === trainedPrecision(artifact)) {
    await using scorer = await openTokenScorer(loaded.program, { memory, open, threads });
    await checkFingerprint(artifact, source, scorer);
  }
  const opened = await openDecoder(source.description, { memory, methods, ...form, open, threads });
  const decoder = withFiniteTokens(opened, { memory, folder: artifact.folder });
  return { source, decoder, [Symbol.asyncDispose]: () => decoder[Symbol.asyncDispose]() };
}

/** A file of few bits is read as it is, an adapter's base as it was in training. */
async function usualPrecision(artifact: Artifact): Promise<BasePrecision> {
  if (artifact.adapter) return trainedPrecision(artifact);
  const formOf = await ownFormsOf(artifact.folder);
  const checkpoint = await openCheckpoint(artifact.folder);
  await checkpoint.close();
  return checkpoint.names.some((name) => formOf(name)?.bits === 4) ? 'int4' : 'fp32';
}

const trainedPrecision = ({ adapter }: Artifact): BasePrecision => (adapter ? basePrecisionOf(adapter.method) : 'fp32');

async function load(
  artifact: Artifact,
  { source: read, basePrecision: wished, longest }: Omit<Opening, 'threads'>,
): Promise<Loaded> {
  const source = read ?? (await readModelFolder(artifact.folder));
  const { architecture } = source.description;
  const { adapter: saved } = artifact;
  const methods = saved ? [attachSaved(saved, architecture)] : [];
  const basePrecision = wished ?? trainedPrecision(artifact);
  const form = { basePrecision, ownForms: await ownFormsOf(artifact.folder) };
  const queryParts = longest === undefined ? 1 : queryPartsFor(longest, { inOrder: true });
  const program = buildProgram(causalLm(source.description), { methods, ...form, queryParts, batch: tokenInputs() });
  const adapter = saved && { ...(await saved.open()), where: saved.folder };
  try {
    const { memory, fresh } = await loadWeights(program, { folder: artifact.folder, adapter, architecture });
    if (fresh.length > 0) throw incomplete(artifact.folder, fresh);
    const { open } = await openRuntime();
    return { source, program, memory, methods, form, open };
  } finally {
    await adapter?.close();
  }
}

function incomplete(folder: string, fresh: readonly string[]): AttuneError {
  return new AttuneError({
    code: 'MODEL_WEIGHTS',
    where: folder,
    problem: `its weights lack ${fresh.join(', ')}`,
    fix: 'give a whole language model, or train one with task: causal-lm',
  });
}
