/**
 * AdamW over 22.7M parameters. Prints {"update_ms"}, the fastest of 12.
 *   npx tsx bench/attune/optimizer.ts
 */
import type { Parameter } from '../../src/models/nn/index.ts';
import { updateParameters } from '../../src/training/optimizer.ts';
import { allocateParameters } from '../../src/training/parameterMemory.ts';
import { openTables } from '../../src/training/tables.ts';

const parameter: Parameter = {
  name: 'weight',
  shape: [59_150, 384],
  head: false,
  trainable: true,
  added: false,
  gradient: 'always',
  learningRateScale: 1,
  opensAfter: 0,
  depth: 0,
};
const memory = allocateParameters([parameter]);
const { gradient, weight } = memory.trained.get('weight')!.arrays;
for (let i = 0; i < weight.length; i++) {
  weight[i] = Math.sin(i);
  gradient[i] = Math.cos(i) / 100;
}
const noTables = openTables(memory, []);
const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
let least = Number.POSITIVE_INFINITY;
for (let step = 1; step <= 12; step++) {
  const started = performance.now();
  updateParameters(memory, noTables, settings, { step, learningRate: 5e-5, gradientScale: 1, from: 'gradient' });
  least = Math.min(least, performance.now() - started);
}
console.log(JSON.stringify({ update_ms: least }));
