/** The next token at each place of a text: language modelling, and instruction tuning where prompts have no labels. */
// B batch · T tokens · V tokens of the vocabulary
import { constant, type Dim, minus, type Tensor } from '../engine/graph/index.ts';
import { concat, equal, expand, reshape, slice, where } from '../engine/ops/index.ts';
import { languageModelOf, type ModelDescription } from '../models/index.ts';
import { type Batch, type Scope, softcapped, tokenScores } from '../models/nn/index.ts';
import { crossEntropy, type Loss, type LossSettings } from './loss.ts';

export interface CausalLmOutputs {
  /** Of the token that follows. [B, T, V] */
  readonly logits: Tensor;
  readonly loss: Loss;
}

/** Labels are the tokens themselves, [B, T], and −100 where a token is not to be learned. */
export const causalLm =
  (description: ModelDescription, settings: Pick<LossSettings, 'labelSmoothing'> = {}) =>
  (root: Scope, batch: Batch): CausalLmOutputs => {
    const { hidden, scores } = reader(description, root);
    const logits = scores(hidden(batch)); // [B, T, V]
    return { logits, loss: crossEntropy(logits, nextTokens(batch), settings) };
  };

/** What follows the last place of each row. [B, V] */
export const nextToken =
  (description: ModelDescription) =>
  (root: Scope, batch: Batch): { readonly logits: Tensor } => {
    const { hidden, scores } = reader(description, root);
    const x = hidden(batch); // [B, T, D]
    const [rows, length, width] = x.shape as [Dim, Dim, Dim];
    return { logits: scores(reshape(slice(x, 1, { start: minus(length, 1), length: 1 }), [rows, width])) };
  };

function reader(description: ModelDescription, root: Scope) {
  const { architecture, config } = description;
  const { tiedTo, softcap } = languageModelOf(description);
  const vocabulary = { rows: config.vocab_size, tiedTo: tiedTo(config) };
  return {
    hidden: (batch: Batch): Tensor => architecture.hidden(root.at(architecture.prefix), batch, config),
    scores: (x: Tensor): Tensor => softcapped(tokenScores(root, x, vocabulary), softcap?.(config)),
  };
}

const IGNORED = -100;

/** The label of the place after each: none at the end of a text. [B, T] */
function nextTokens({ labels, packing }: Batch): Tensor {
  const next = moved(labels, IGNORED);
  return packing ? where(equal(moved(packing.segmentIds, -1), packing.segmentIds), next, IGNORED32) : next;
}

const IGNORED32 = constant(IGNORED, 'int32');

/** What stands one place further on; `last` at the end. */
function moved(x: Tensor, last: number): Tensor {
  const [batch, length] = x.shape as [Dim, Dim];
  const rest = slice(x, 1, { start: 1, length: minus(length, 1) });
  return concat([rest, expand(constant(last, 'int32'), [batch, 1])], 1);
}
