/** The arithmetic that a training step of a BERT cannot do without: its products, two operations for each multiply. */
import type { Shape } from './step.ts';

interface Config {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
}

/** LoRA's own matrices, the head and everything that is no product are left out: less than 3 in 100. */
export function flopsOfStep({ method, rows, tokens }: Shape, config: Config): number {
  const { hidden_size: hidden, intermediate_size: inner, num_hidden_layers: layers } = config;
  const projections = 2 * (4 * hidden * hidden + 2 * hidden * inner); // q, k, v, output and the feed-forward, a token
  const attention = 2 * 2 * tokens * hidden; // scores and their mix, a token
  // Backward: the gradient of what went in, and with full fine-tuning that of the weight; of attention always both.
  const perToken = layers * (projections * (method === 'full' ? 3 : 2) + attention * 3);
  // With LoRA nothing below the lowest query, key and value asks for a gradient.
  const unasked = method === 'full' ? 0 : 2 * 3 * hidden * hidden;
  return rows * tokens * (perToken - unasked);
}
