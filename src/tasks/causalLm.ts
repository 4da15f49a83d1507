/** The next token at each place of a text: language modelling, and instruction tuning where prompts have no labels. */
// B batch · T tokens · V tokens of the vocabulary
import { constant, type Dim, minus, type Tensor } from '../engine/graph/index.ts';
import { concat, equal, expand, slice, where } from '../engine/ops/index.ts';
import { languageModelOf, type ModelDescription } from '../models/index.ts';
import { type Batch, type Scope, softcapped, tokenScores } from '../models/nn/index.ts';
import { crossEntropy, type Loss, type LossSettings } from './loss.ts';

export interface CausalLmOutputs {
  /** Of the token that follows. [B, T, V] */
  readonly logits: Tensor;
  readonly loss: Loss;
}

/** Labels are the tokens themselves, [B, T], and −100 where a token is not to be learned. */
export function causalLm(description: ModelDescription, settings: Pick<LossSettings, 'labelSmoothing'> = {}) {
  const { architecture, config } = description;
  const { tiedTo, softcap } = languageModelOf(description);
  return (root: Scope, batch: Batch): CausalLmOutputs => {
    const x = architecture.hidden(root.at(architecture.prefix), batch, config); // [B, T, D]
    const scores = tokenScores(root, x, { rows: config.vocab_size, tiedTo: tiedTo(config) });
    const logits = softcapped(scores, softcap?.(config));
    return { logits, loss: crossEntropy(logits, nextTokens(batch), settings) };
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
