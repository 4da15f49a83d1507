/** A language model as one ONNX file that reads new tokens beside those it has read, under the names that transformers.js looks for. */
// B rows · P tokens that were read · T new ones · K heads of keys · C head width · V vocabulary
import { constant, input, minus, type Tensor } from '../../engine/graph/index.ts';
import { add, concat, reshape, slice, toInt32 } from '../../engine/ops/index.ts';
import type { FloatTensor } from '../../inference/merged.ts';
import type { ModelDescription } from '../../models/index.ts';
import { type Batch, buildProgram, type Method } from '../../models/nn/index.ts';
import { nextToken } from '../../tasks/index.ts';
import { inEightBits } from './eightBits.ts';
import { type Precision, weighted } from './inferenceGraph.ts';

/** transformers.js makes an empty past by these names of sizes. */
const [BATCH, PAST, NEW] = ['batch_size', 'past_sequence_length', 'sequence_length'] as const;
const ALL = `${PAST}+${NEW}`;

/**
 * input_ids, position_ids int64 [B, T], attention_mask int64 [B, P+T], past_key_values.N.{key,value} [B, K, P, C] →
 * logits [B, 1, V] of what follows the last token, present.N.{key,value} [B, K, P+T, C]. Padding comes first.
 */
export function decoderGraph({ description, tensors }: Decoder, precision: Precision): Uint8Array {
  const { config } = description;
  const { batch, keys } = readingOn(config.max_position_embeddings);
  const { method, present } = joinsPast(keys);
  const { logits } = buildProgram(nextToken(description), { methods: [method], batch }).outputs; // [B, V]
  const outputs = { logits: reshape(logits, [BATCH, 1, config.vocab_size]), ...present };
  if (precision === 'fp32') return weighted(outputs, { tensors, values: undefined, precision });
  const { values, ...eight } = inEightBits(outputs, tensors);
  return weighted(eight.outputs, { tensors, values, precision });
}

interface Decoder {
  readonly description: ModelDescription;
  readonly tensors: readonly FloatTensor[];
}

interface Reading {
  readonly batch: Batch;
  /** Where all keys stand, and whether they are padding. [B, P+T] */
  readonly keys: { readonly positions: Tensor; readonly texts: Tensor };
}

function readingOn(longest: number): Reading {
  const numbers = (name: string, length: string): Tensor => toInt32(input(name, 'int64', [BATCH, length]));
  const [positionIds, mask] = [numbers('position_ids', NEW), numbers('attention_mask', ALL)];
  // −P … −1: what was read stands right before the first new token.
  const before = constant(
    Array.from({ length: longest }, (_, i) => i - longest),
    'int32',
  );
  const relative = slice(before, 0, { start: minus(longest, PAST), length: PAST }); // [P]
  const past = add(slice(positionIds, 1, { start: 0, length: 1 }), relative); // [B, P]
  return {
    batch: {
      inputIds: numbers('input_ids', NEW),
      positionIds,
      attentionMask: slice(mask, 1, { start: PAST, length: NEW }),
      tokenTypeIds: numbers('token_type_ids', NEW),
      labels: input('labels', 'int32', [BATCH, NEW]),
    },
    keys: { positions: concat([past, positionIds], 1), texts: mask },
  };
}

/** Keys and values are joined to those of the past, and attention reads them as one. */
function joinsPast(keys: Reading['keys']) {
  const present: Record<string, Tensor> = {};
  const method: Method = {
    name: 'past',
    keyValue({ block, key, value, biasOf }) {
      const joined = (name: string, x: Tensor): Tensor => {
        const [, heads, , width] = x.shape;
        const past = input(`past_key_values.${block}.${name}`, 'float32', [BATCH, heads!, PAST, width!]);
        const all = concat([past, x], 2); // [B, K, P+T, C]
        present[`present.${block}.${name}`] = all;
        return all;
      };
      return [{ key: joined('key', key), value: joined('value', value), bias: biasOf!(keys) }];
    },
  };
  return { method, present };
}
