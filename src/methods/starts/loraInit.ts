/** What A and B of LoRA start from. PiSSA and OLoRA start at directions of W, which W then has to do without. */
import type { Initial, LinearSite } from '../../models/nn/index.ts';
import { type Matrix, multiply, orthonormal, singularParts, transposed } from './decompose.ts';

export const loraInits = ['default', 'gaussian', 'pissa', 'olora'] as const;
export type LoraInit = (typeof loraInits)[number];

/** Whether the start is taken away from the product again, so that step 0 is the base model. */
export const startsInWeight = (init: LoraInit): boolean => init === 'pissa' || init === 'olora';

export interface Starts {
  readonly a: Initial;
  readonly b: Initial;
}

interface Narrow {
  readonly rank: number;
  /** What B·A is multiplied by. */
  readonly scale: number;
}

export function startsOf(init: LoraInit, { weight }: LinearSite, { rank, scale }: Narrow): Starts {
  const [out, width] = weight.shape as [number, number];
  if (init === 'default') return { a: { uniform: { bound: 1 / Math.sqrt(width) } }, b: 'zeros' };
  if (init === 'gaussian') return { a: { normal: { standardDeviation: 1 / rank } }, b: 'zeros' };
  const factors = init === 'pissa' ? pissaFactors : oloraFactors;
  let known: { from: Float32Array; a: Float32Array; b: Float32Array } | undefined;
  const made = (values: Float32Array) => {
    const found = factors({ rows: out, columns: width, data: Float64Array.from(values) }, { rank, scale });
    const [a, b] = [Float32Array.from(found.a.data), Float32Array.from(found.b.data)];
    known = { from: values, a, b };
    return known;
  };
  // Both, and their copies, come of one decomposition.
  const of = (values: Float32Array) => (known && sameStart(known.from, values) ? known : made(values));
  return {
    a: { from: weight, compute: (values) => of(values).a },
    b: { from: weight, compute: (values) => of(values).b },
  };
}

const sameStart = (a: Float32Array, b: Float32Array): boolean => a === b || a.every((value, i) => value === b[i]);

interface Factors {
  readonly a: Matrix;
  readonly b: Matrix;
}

/** B = U√(S/s), A = √(S/s)Vᵀ of the r largest singular values S of W (https://arxiv.org/abs/2404.02948). */
function pissaFactors(weight: Matrix, { rank, scale }: Narrow): Factors {
  const { left, values, right } = singularParts(weight, rank);
  const roots = values.map((value) => Math.sqrt(value / scale));
  const b = left.data.map((value, i) => value * roots[i % rank]!);
  const a = right.data.map((value, i) => value * roots[Math.floor(i / right.columns)]!);
  return { a: { ...right, data: a }, b: { ...left, data: b } };
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
