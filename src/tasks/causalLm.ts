/** The next token at each place of a text: language modelling, and instruction tuning where prompts have no labels. */
// B batch · T tokens · N tokens whose next one is learned · V tokens of the vocabulary
import { type Dim, minus, type Tensor } from '../engine/graph/index.ts';
import { gather, mul, reshape, rowsOnly, slice, sub, sum, vocabularyNormaliser } from '../engine/ops/index.ts';
import { languageModelOf, type ModelDescription } from '../models/index.ts';
import { type Batch, type Scope, softcapped, tokenScores } from '../models/nn/index.ts';
import { crossEntropy, type Loss, type LossSettings, lossOf } from './loss.ts';

export interface CausalLmOutputs {
  /** Of what follows each target. [N, V] */
  readonly logits: Tensor;
  readonly loss: Loss;
}

export interface CausalLmSettings extends Pick<LossSettings, 'labelSmoothing'> {
  /** Entries of the vocabulary whose scores are held at once. */
  readonly vocabularyPart?: number;
}

const USUAL_PART = 4096;

/** No score is computed for a token whose next one is not learned: of instructions and their answers, the greater part. */
export const causalLm =
  (description: ModelDescription, { vocabularyPart = USUAL_PART, ...settings }: CausalLmSettings = {}) =>
  (root: Scope, batch: Batch): CausalLmOutputs => {
    const { hidden, scores, softcap } = reader(description, root);
    const x = gather(rowsOnly(hidden(batch)), batch.targets!.places); // [N, D]
    const { logits, matrix } = scores(x);
    const isSmall = description.config.vocab_size <= vocabularyPart;
    const isSimple = softcap === undefined || !settings.labelSmoothing;
    const loss =
      matrix && isSimple && !isSmall
        ? lossInParts(x, batch.labels, { weight: matrix, ...settings, part: vocabularyPart, softcap })
        : crossEntropy(logits, batch.labels, settings);
    return { logits, loss };
  };

interface InParts extends Pick<LossSettings, 'labelSmoothing'> {
  readonly weight: Tensor;
  readonly part: number;
  readonly softcap: number | undefined;
}

/** The same loss without ever holding [N, V] scores: a part of the vocabulary at a time. */
function lossInParts(x: Tensor, labels: Tensor, { weight, labelSmoothing, ...parts }: InParts): Loss {
  const normaliser = vocabularyNormaliser(x, weight, parts); // [N, 1]
  const dot = (a: Tensor): Tensor => sum(mul(x, a), [1]); // [N, 1]
  const scores = {
    normaliser,
    target: (safe: Tensor) => softcapped(dot(gather(weight, safe)), parts.softcap),
    even: () => sub(normaliser, dot(mul(sum(weight, [0]), 1 / (weight.shape[0] as number)))),
  };
  return lossOf(scores, labels, { labelSmoothing });
}

/** What follows the last place of each row. [B, V] */
export const nextToken =
  (description: ModelDescription) =>
  (root: Scope, batch: Batch): { readonly logits: Tensor } => {
    const { hidden, scores } = reader(description, root);
    const x = hidden(batch); // [B, T, D]
    const [rows, length, width] = x.shape as [Dim, Dim, Dim];
    const last = reshape(slice(x, 1, { start: minus(length, 1), length: 1 }), [rows, width]);
    return { logits: scores(last).logits };
  };

function reader(description: ModelDescription, root: Scope) {
  const { architecture, config } = description;
  const languageModel = languageModelOf(description);
  const vocabulary = { rows: config.vocab_size, tiedTo: languageModel.tiedTo(config) };
  const softcap = languageModel.softcap?.(config);
  return {
    softcap,
    hidden: (batch: Batch): Tensor => architecture.hidden(root.at(architecture.prefix), batch, config),
    scores(x: Tensor) {
      const { scores, matrix } = tokenScores(root, x, vocabulary);
      return { logits: softcapped(scores, softcap), matrix };
    },
  };
}
