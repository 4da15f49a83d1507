/** The arithmetic of a BERT's training step: its products, two operations for each multiply. */
import type { Shape } from './step.ts';

interface Config {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
}

/**
 * `whole`: every layer for every token, as PyTorch computes it. `read`: the last layer only for the token that a
 * classifier reads, as Attune does. LoRA's own matrices, the head and everything that is no product are left out: less
 * than 3 in 100.
 */
export function flopsOfStep({ method, rows, tokens }: Shape, config: Config, lastLayer: 'whole' | 'read'): number {
  const { hidden_size: hidden, intermediate_size: inner, num_hidden_layers: layers } = config;
  const keysAndValues = 2 * 2 * hidden * hidden; // a token
  const others = 2 * (2 * hidden * hidden + 2 * hidden * inner); // query, output and the feed-forward, a token
  const attention = 2 * 2 * tokens * hidden; // scores and their mix, a token
  // Backward: the gradient of what went in, and with full fine-tuning that of the weight; of attention always both.
  const passes = method === 'full' ? 3 : 2;
  const forToken = (others + keysAndValues) * passes + attention * 3;
  const lastForToken = keysAndValues * passes + (others * passes + attention * 3) / tokens;
  // With LoRA nothing below the lowest query, key and value asks for a gradient.
  const unasked = method === 'full' ? 0 : 2 * 3 * hidden * hidden;
  return rows * tokens * (forToken * (layers - 1) + (lastLayer === 'whole' ? forToken : lastForToken) - unasked);
}
