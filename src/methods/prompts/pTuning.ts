/**
 * [M(e₁) … M(eₙ), E(x)]: vectors before the embedded text, made of trained ones by a trained network M of three layers
 * (https://arxiv.org/abs/2103.10385). Step 0 is not the base model. PEFT's folder holds what M gives, not M.
 */
import { z } from 'zod';
import type { Tensor } from '../../engine/graph/index.ts';
import { linear, relu } from '../../engine/ops/index.ts';
import type { TokensSite } from '../../models/nn/index.ts';
import { basePrecision } from '../basePrecision.ts';
import { defineMethod } from '../definition.ts';
import { sharedLinear } from './network.ts';
import { keysOfLayers, prompted, virtualTokens } from './prompt.ts';

const settings = z
  .strictObject({
    name: z.literal('p_tuning'),
    num_virtual_tokens: virtualTokens,
    encoder_hidden_size: z
      .int()
      .min(1)
      .optional()
      .meta({ description: 'Width of the network.', defaultText: 'that of the model' }),
    base_precision: basePrecision,
  })
  .meta({
    description: 'P-tuning: vectors before the embedded text, and a network that makes them, are trained.',
    without: keysOfLayers,
  });

/** PEFT's number of the network's last layer. */
const LAST = 4;

export const pTuning = defineMethod({
  settings,
  learningRate: () => 3e-3,
  positions: ({ num_virtual_tokens: count }) => count,
  attach({ num_virtual_tokens: count, encoder_hidden_size: hidden }) {
    const vectors = (site: TokensSite): Tensor => {
      const { width } = site;
      const start = { normal: { standardDeviation: 1 } };
      // A narrow ReLU may be silent: then the last bias alone moves.
      const silent = { gradient: 'unlessSilent' } as const;
      const vectorsBefore = site.shared('prompt_encoder.embedding.weight', [count, width], start, silent); // [P, D]
      const layer = (index: number, x: Tensor, out: number): Tensor => {
        const options = { weight: silent, ...(index < LAST && { bias: silent }) };
        const shape = [out, x.shape[1] as number] as const;
        return linear(x, ...sharedLinear(site, `prompt_encoder.mlp_head.${index}`, { shape, ...options }));
      };
      const first = relu(layer(0, vectorsBefore, hidden ?? width)); // [P, H]
      const second = relu(layer(2, first, hidden ?? width)); // [P, H]
      return site.exported('prompt_embeddings', layer(LAST, second, width)); // [P, D]
    };
    return { name: 'p_tuning', ...prompted(count, vectors) };
  },
});
