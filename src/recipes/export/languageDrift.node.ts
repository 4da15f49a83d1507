/** How far a merged language model's scores are from those before, and what that does to the loss of texts. */
import { availableParallelism } from 'node:os';
import { collate } from '../../data/batch.ts';
import type { TokenRow } from '../../data/text/tokenRow.ts';
import { fingerprintOf } from '../../inference/fingerprint.ts';
import { openTokenScorer, type Scorer } from '../../inference/index.ts';
import type { LanguageModel } from '../../inference/languageModel.node.ts';
import type { FloatTensor } from '../../inference/merged.ts';
import { buildProgram, type Program, tokenInputs } from '../../models/nn/index.ts';
import { type CausalLmOutputs, causalLm } from '../../tasks/index.ts';
import { type ParameterMemory, parameterValues } from '../../training/index.ts';
import { measureLanguage } from '../evaluateLanguage.node.ts';
import { type Drift, driftOf } from './drift.ts';
import { memoryOf } from './plainModel.node.ts';

/** Scores of all words for every token are compared on so many rows and tokens of each; the loss on all. */
const ROWS = 32;
const TOKENS = 128;

interface Measuring {
  readonly rows: readonly TokenRow[] | undefined;
  readonly signal: AbortSignal;
}

export async function languageDrift(
  model: LanguageModel,
  tensors: readonly FloatTensor[],
  { rows, signal }: Measuring,
): Promise<Drift> {
  const { source, scorer, open } = model;
  const threads = availableParallelism();
  const program = buildProgram(causalLm(source.description), { batch: tokenInputs() });
  const memory = memoryOf(tensors);
  await using merged = await openTokenScorer(program, { memory, open, threads });
  if (!rows) {
    const scores = async (of: Scorer) => (await fingerprintOf(of, source.description)).flat();
    return driftOf(await scores(scorer), await scores(merged));
  }
  const before = await measureLanguage(rows, { model, signal });
  const after = await measureLanguage(rows, { model: { scorer: merged, source }, signal });
  const compared = await comparedScores(model, { program, memory }, { rows, signal });
  return { ...compared, rows: rows.length, metrics: { before, after } };
}

interface Other {
  readonly program: Program<CausalLmOutputs>;
  readonly memory: ParameterMemory;
}

async function comparedScores(
  model: LanguageModel,
  other: Other,
  { rows, signal }: Required<Measuring>,
): Promise<Drift> {
  const threads = availableParallelism();
  const openLogits = ({ program }: Other) => model.open({ logits: program.outputs.logits }, { threads });
  await using own = await openLogits(model);
  await using merged = await openLogits(other);
  const [weights, mergedWeights] = [model, other].map(({ program, memory }) => parameterValues(program, memory));
  let [maxLogitDifference, largestLogit] = [0, 1];
  for (const { inputIds } of rows!.slice(0, ROWS)) {
    signal.throwIfAborted();
    const tokens = inputIds.slice(0, TOKENS);
    const { feeds } = collate([{ inputIds: tokens, label: -100, labels: tokens }], 0); // every token is asked for the next
    const before = (await own.run({ ...weights, ...feeds })).logits!.data as Float32Array;
    const after = (await merged.run({ ...mergedWeights, ...feeds })).logits!.data as Float32Array;
    const one = driftOf(before, after);
    maxLogitDifference = Math.max(maxLogitDifference, one.maxLogitDifference);
    largestLogit = Math.max(largestLogit, one.largestLogit);
  }
  return { maxLogitDifference, largestLogit };
}
