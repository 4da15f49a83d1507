/** What a model reads. Everything per token is [B, T]. */
// B sequences · T tokens · D hidden · R texts: as many as sequences, or more where they are packed
import { constant, type Dim, input, type Shape, type Tensor } from '../../engine/graph/index.ts';
import { equal, less, reshape, toFloat, where } from '../../engine/ops/index.ts';

export interface Batch {
  readonly inputIds: Tensor;
  readonly positionIds: Tensor;
  /** 0 on padding, else 1. */
  readonly attentionMask: Tensor;
  readonly tokenTypeIds: Tensor;
  readonly labels: Tensor;
  /** Left out where every sequence is one text: then the graph has no trace of it. */
  readonly packing?: Packing;
  /** Of language models: the tokens whose next one is learned. Labels are those next ones, [N]. */
  readonly targets?: Targets;
}

/** N tokens of a batch. */
export interface Targets {
  /** Where they stand, counted through all B·T places. [N] */
  readonly places: Tensor;
  /** Which sequence they stand in. [N] */
  readonly sequences: Tensor;
}

/** Several texts one after the other in a sequence. None sees the others, and positions start anew with each. */
interface Packing {
  /** Which text of its sequence a token belongs to; 0 on padding. */
  readonly segmentIds: Tensor;
  /** Where each text begins, and its last token, counted through all B·T places. [R] */
  readonly textStarts: Tensor;
  readonly textEnds: Tensor;
}

const perToken = (name: string): Tensor => input(name, 'int32', ['batch', 'tokens']);

/** The inputs of a graph, under the names that Hugging Face gives them. */
export function batchInputs({ labels = ['batch'] }: { labels?: Shape } = {}): Batch {
  return {
    inputIds: perToken('input_ids'),
    positionIds: perToken('position_ids'),
    attentionMask: perToken('attention_mask'),
    tokenTypeIds: perToken('token_type_ids'),
    labels: input('labels', 'int32', labels),
  };
}

/** The same for several texts to a sequence. Labels are one a text, [R]. */
export const packedInputs = (): Batch => ({
  ...batchInputs({ labels: ['texts'] }),
  packing: {
    segmentIds: perToken('segment_ids'),
    textStarts: input('text_starts', 'int32', ['texts']),
    textEnds: input('text_ends', 'int32', ['texts']),
  },
});

const targetInputs = (): Pick<Batch, 'labels' | 'targets'> => {
  const perTarget = (name: string): Tensor => input(name, 'int32', ['targets']);
  const targets = { places: perTarget('target_places'), sequences: perTarget('target_sequences') };
  return { labels: perTarget('labels'), targets };
};

/** Inputs whose labels are tokens. */
export const tokenInputs = (): Batch => ({ ...batchInputs(), ...targetInputs() });
export const packedTokenInputs = (): Batch => ({ ...packedInputs(), ...targetInputs() });

/** Finite, so that a row which sees nothing does not become NaN. */
export const HIDDEN = -1e9;

/** Bias of a model that reads in both directions: padding is hidden, and so are other texts. [B, 1, 1 or T, T] */
export function paddingBias({ attentionMask, packing }: Batch): Tensor {
  const [batch, tokens] = attentionMask.shape as [Dim, Dim];
  if (!packing) return reshape(where(less(constant(0, 'int32'), attentionMask), 0, HIDDEN), [batch, 1, 1, tokens]);
  const queries = reshape(packing.segmentIds, [batch, 1, tokens, 1]);
  const keys = reshape(packing.segmentIds, [batch, 1, 1, tokens]);
  return where(equal(queries, keys), 0, HIDDEN);
}

/** 1 where a label counts, 0 where it is −100. */
export const counts = (labels: Tensor): Tensor => toFloat(less(constant(-1, 'int32'), labels));
