/**
 * What A and B of LoRA start from. PiSSA (https://arxiv.org/abs/2404.02948) and OLoRA (https://arxiv.org/abs/2406.01775) start
 * at directions of W, which W then has to do without; LoftQ at those that it lost when it was rounded. Over a base in 8 or 4
 * bits the directions are those of the rounded W: unlike QPiSSA, which rounds what is left of the exact one.
 */
import type { BasePrecision, Initial, LinearSite } from '../../models/nn/index.ts';
import { type Matrix, multiply, orthonormal, transposed } from './decompose.ts';
import { type Factors, leadingFactors, type Narrow } from './leadingFactors.ts';
import { type LoftQ, less, loftq } from './loftq.ts';
import { once } from './once.ts';

export const loraInits = ['default', 'gaussian', 'pissa', 'olora', 'loftq'] as const;
export type LoraInit = (typeof loraInits)[number];

/** Whether the start is taken away from the product again, so that step 0 is the base model. */
export const startsInWeight = (init: LoraInit): boolean => init === 'pissa' || init === 'olora';

export interface Starts {
  readonly a: Initial;
  readonly b: Initial;
}

export function startsOf(init: LoraInit, { weight }: LinearSite, { rank, scale }: Narrow): Starts {
  const [out, width] = weight.shape as [number, number];
  if (init === 'gaussian') return { a: { normal: { standardDeviation: 1 / rank } }, b: 'zeros' };
  if (!startsInWeight(init)) return { a: { uniform: { bound: 1 / Math.sqrt(width) } }, b: 'zeros' };
  const factors = init === 'pissa' ? leadingFactors : oloraFactors;
  // Both, and their copies, come of one decomposition.
  const of = once((values) => {
    const { a, b } = factors({ rows: out, columns: width, data: Float64Array.from(values) }, { rank, scale });
    return { a: Float32Array.from(a.data), b: Float32Array.from(b.data) };
  });
  return {
    a: { from: weight, compute: (values) => of(values).a },
    b: { from: weight, compute: (values) => of(values).b },
  };
}

/** B = the first r columns of Q, A = the first r rows of R, of W = QR (https://arxiv.org/abs/2406.01775). */
function oloraFactors(weight: Matrix, { rank }: Narrow): Factors {
  const { rows, columns, data } = weight;
  const first = Float64Array.from({ length: rows * rank }, (_, i) => {
    return data[Math.floor(i / rank) * columns + (i % rank)]!;
  });
  const b = orthonormal({ rows, columns: rank, data: first });
  return { a: multiply(transposed(b), weight), b };
}

interface Rounding extends Narrow {
  readonly precision: BasePrecision;
  readonly rounds: number;
}

/**
 * LoftQ's start, and the weight that belongs to it in the place of the layer's own. Undefined where the layer's weight is
 * not rounded. After one turn the base is what it is without LoftQ; after more it is made of W and of factors that are saved.
 */
export function loftqStarts(site: LinearSite, { precision, rounds, ...narrow }: Rounding): Starts | undefined {
  const { path, weight, added, exact } = site;
  const rounded = exact.rounding(precision);
  if (!rounded) return undefined;
  const shape = weight.shape as [number, number];
  const found = once((values) => loftq(values, { shape, rounds, rounded, ...narrow }));
  const first = (choose: (all: LoftQ) => Float32Array): Initial => exact.start((values) => choose(found(values)));
  const taken = rounds === 1 ? [] : [`${path}.lora_A_taken.weight`, `${path}.lora_B_taken.weight`];
  if (rounds > 1) {
    const fixed = { trainable: false };
    const [a, b] = [first((all) => all.taken.a), first((all) => all.taken.b)];
    added('lora_A_taken.weight', [narrow.rank, shape[1]], a, fixed);
    added('lora_B_taken.weight', [shape[0], narrow.rank], b, fixed);
  }
  const compute = (values: Float32Array, a?: Float32Array, b?: Float32Array): Float32Array =>
    a && b ? less(values, { a, b }, { shape, ...narrow }) : values;
  exact.replace({ from: taken, compute, rounded });
  return { a: first((all) => all.start.a), b: first((all) => all.start.b) };
}
