/**
 * softmax(q·[Pₖ, K]ᵀ)·[Pᵥ, V]: trained keys and values in every block, which every position sees, with the text n
 * positions later (https://arxiv.org/abs/2101.00190). They have the first n positions: a layer that looks back over a window
 * sees no more of them than its window reaches, as with PEFT. With `prefix_projection` a trained network of two layers makes
 * them; PEFT's folder holds what it gives. Step 0 is not the base model: the prefix takes attention from the first step.
 * Without the network keys and values start at N(0, 0.02²): the scores of such keys are near 0, so no query begins drawn to one
 * of them. PEFT's, an nn.Embedding, start at N(0, 1). The network starts as PEFT's does.
 */
import { z } from 'zod';
import { constant, type Tensor } from '../../engine/graph/index.ts';
import { linear, reshape, slice, tanh, transpose } from '../../engine/ops/index.ts';
import { AttuneError } from '../../errors/index.ts';
import { type KeyValueSite, type Method, type Segment, shifted } from '../../models/nn/index.ts';
import { basePrecision } from '../basePrecision.ts';
import { defineMethod } from '../definition.ts';
import { sharedLinear } from './network.ts';
import { keysOfLayers, virtualTokens } from './prompt.ts';

const settings = z
  .strictObject({
    name: z.literal('prefix_tuning'),
    num_virtual_tokens: virtualTokens,
    prefix_projection: z.boolean().default(false).meta({
      description: 'Whether a network makes the keys and values, which learns more evenly.',
    }),
    encoder_hidden_size: z
      .int()
      .min(1)
      .optional()
      .meta({ description: 'Width of that network.', defaultText: 'that of the keys' }),
    base_precision: basePrecision,
  })
  .meta({
    description: 'Prefix tuning: keys and values before those of the text are trained, in every block.',
    without: keysOfLayers,
  });

type PrefixSettings = z.output<typeof settings>;

export const prefixTuning = defineMethod({
  settings,
  learningRate: ({ prefix_projection: isProjected }) => (isProjected ? 1e-3 : 3e-2),
  positions: ({ num_virtual_tokens: count }) => count,
  attach(given) {
    refuseIdleWidth(given);
    return {
      name: 'prefix_tuning',
      trains: ({ head }) => head,
      batch: (batch) => shifted(batch, given.num_virtual_tokens),
      before: { positions: given.num_virtual_tokens },
      survey: ({ blocks }) => inEveryBlock(given, blocks),
    };
  },
});

function refuseIdleWidth({ prefix_projection: isProjected, encoder_hidden_size: width }: PrefixSettings): void {
  if (isProjected || width === undefined) return;
  throw new AttuneError({
    code: 'CONFIG_INVALID',
    where: 'method.encoder_hidden_size',
    problem: `${width} is the width of a network, and prefix_projection is false: there is none`,
    fix: 'give prefix_projection: true, or remove it',
  });
}

const inEveryBlock = (given: PrefixSettings, blocks: number): Method => ({
  name: 'prefix_tuning',
  keyValue(site, next) {
    const { key, block } = site;
    const [, heads, , width] = key.shape as [unknown, number, unknown, number];
    const count = given.num_virtual_tokens;
    const vectors = prefixes(given, site, { blocks, width: heads * width }); // [P, 2·L·D]: K, V of block 0, of block 1 …
    const part = (index: number): Tensor => {
      const own = slice(vectors, 1, { start: index * heads * width, length: heads * width }); // [P, D]
      return reshape(transpose(reshape(own, [count, heads, width]), [1, 0, 2]), [1, heads, count, width]);
    };
    return [{ key: part(2 * block), value: part(2 * block + 1), ...withinWindow(site, count) }, ...next()];
  },
});

/** Nothing is hidden of a prefix but by a window, which a long text leaves behind. */
function withinWindow({ window, biasOf }: KeyValueSite, count: number): Pick<Segment, 'bias'> {
  if (window === undefined || !biasOf) return {};
  const positions = constant([...new Array(count).keys()], 'int32'); // [P]
  return { bias: biasOf({ positions: reshape(positions, [1, count]) }) }; // [B, 1, S, P]
}

interface Sizes {
  readonly blocks: number;
  /** D, of the keys of all heads. */
  readonly width: number;
}

function prefixes(given: PrefixSettings, site: KeyValueSite, { blocks, width }: Sizes): Tensor {
  const { num_virtual_tokens: count, prefix_projection: isProjected, encoder_hidden_size: hidden = width } = given;
  const all = 2 * blocks * width;
  if (!isProjected) return site.shared('prompt_embeddings', [count, all], { normal: { standardDeviation: 0.02 } });
  const start = { normal: { standardDeviation: 1 } };
  const before = site.shared('prompt_encoder.embedding.weight', [count, width], start); // [P, D]
  const layer = (index: number, x: Tensor, out: number): Tensor =>
    linear(x, ...sharedLinear(site, `prompt_encoder.transform.${index}`, { shape: [out, x.shape[1] as number] }));
  const inner = tanh(layer(0, before, hidden)); // [P, H]
  return site.exported('prompt_embeddings', layer(2, inner, all));
}
