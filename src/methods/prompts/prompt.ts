/** Vectors before the embedded text: what prompt tuning and p-tuning have in common. */
import { z } from 'zod';
import { constant, type Dim, minus, type Tensor } from '../../engine/graph/index.ts';
import { concat, expand, gather, less, reshape, slice, sub, where } from '../../engine/ops/index.ts';
import { AttuneError } from '../../errors/index.ts';
import { lengthened, type Method, type TokensSite } from '../../models/nn/index.ts';

export const virtualTokens = z
  .int()
  .min(1)
  .default(20)
  .meta({
    description: 'Number of trained vectors.',
    aliases: ['num_prompt_tokens', 'prompt_length', 'prefix_length'],
  });

const isShared = 'remove it: what this method trains is there once for all layers';

/** Why it has none of the keys that tell layers apart. */
export const keysOfLayers = { layer_lr_decay: isShared, unfreeze_schedule: isShared };

/** The hooks that put vectors [P, D] before the text. They take P of the model's positions. */
export const prompted = (
  count: number,
  vectors: (site: TokensSite) => Tensor,
): Pick<Method, 'trains' | 'batch' | 'tokens' | 'before'> => ({
  trains: ({ head }) => head,
  batch(batch) {
    if (batch.packing) throw cannotPack();
    return lengthened(batch, count);
  },
  tokens(site, next) {
    const embedded = next(); // [B, P + T, D], of which the first P stand for nothing
    const [rows, length, width] = embedded.shape as [Dim, Dim, number];
    const before = expand(reshape(vectors(site), [1, count, width]), [rows, count, width]);
    return concat([before, slice(embedded, 1, { start: count, length: minus(length, count) })], 1);
  },
  before: { positions: count, tokens: (site, next) => asTokens(vectors(site), site.inputIds, next) },
});

/** The vectors for ids below 0, −1 for the first of them; for others what `next` gives. [B, T, D] */
function asTokens(vectors: Tensor, ids: Tensor, next: (ids: Tensor) => Tensor): Tensor {
  const zero = constant(0, 'int32');
  const isText = less(constant(-1, 'int32'), ids); // [B, T]
  const own = gather(vectors, where(isText, zero, sub(constant(-1, 'int32'), ids)));
  const [rows, length] = ids.shape as [Dim, Dim];
  return where(reshape(isText, [rows, length, 1]), next(where(isText, ids, zero)), own);
}

/** A prompt stands before a sequence, and each text of a packed one would need its own. */
const cannotPack = (): AttuneError =>
  new AttuneError({
    code: 'CONFIG_INVALID',
    where: 'data.packing',
    problem: 'texts that share a sequence cannot each have a trained prompt before them',
    fix: 'remove data.packing, or use prefix_tuning',
  });
