/** What a model reads. Everything per token is [B, T]. */
import { constant, type Dim, input, type Shape, type Tensor } from '../../engine/graph/index.ts';
import { less, reshape, toFloat, where } from '../../engine/ops/index.ts';

export interface Batch {
  readonly inputIds: Tensor;
  readonly positionIds: Tensor;
  /** 0 on padding, else 1. */
  readonly attentionMask: Tensor;
  readonly tokenTypeIds: Tensor;
  readonly labels: Tensor;
}

/** The inputs of a graph, under the names that Hugging Face gives them. */
export function batchInputs({ labels = ['batch'] }: { labels?: Shape } = {}): Batch {
  const perToken = (name: string): Tensor => input(name, 'int32', ['batch', 'tokens']);
  return {
    inputIds: perToken('input_ids'),
    positionIds: perToken('position_ids'),
    attentionMask: perToken('attention_mask'),
    tokenTypeIds: perToken('token_type_ids'),
    labels: input('labels', 'int32', labels),
  };
}

/** Finite, so that a row which sees nothing does not become NaN. */
const HIDDEN = -1e9;

/** Bias of a model that reads in both directions: padding is hidden. [B, 1, 1, T] */
export function paddingBias({ attentionMask }: Batch): Tensor {
  const [batch, tokens] = attentionMask.shape as [Dim, Dim];
  return reshape(where(less(constant(0, 'int32'), attentionMask), 0, HIDDEN), [batch, 1, 1, tokens]);
}

/** 1 where a label counts, 0 where it is −100. */
export const counts = (labels: Tensor): Tensor => toFloat(less(constant(-1, 'int32'), labels));
