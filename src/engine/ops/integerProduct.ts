/** Sums of 8-bit products, as every row that rounds writes them and checks them. */
import type { Emitter } from '../graph/index.ts';

/** What x is multiplied with. */
interface Matrix {
  /** int8 [in, out] */
  readonly steps: string;
  readonly scale: string;
  readonly bias?: string | undefined;
}

/** x, rounded to 256 steps between its extremes, times a matrix of integers. */
export function integerProduct(emit: Emitter, x: string, { steps, scale, bias }: Matrix): string[] {
  const [whole, size, zero] = emit.node('DynamicQuantizeLinear', [x], {}, { outputs: 3 }) as [string, string, string];
  if (emit.target === 'cpu') {
    const inputs = [whole, steps, size, scale, zero, ...(bias ? ['', bias] : [])];
    return emit.node('MatMulIntegerToFloat', inputs, {}, { domain: 'com.microsoft' });
  }
  // In this very order: ONNX Runtime makes one operation of it.
  const [sums] = emit.node('MatMulInteger', [whole, steps, zero]);
  const y = emit.node('Mul', [emit.cast(sums!, 'float32'), ...emit.node('Mul', [size, scale])]);
  return bias ? emit.node('Add', [...y, bias]) : y;
}

/** Divides a row of zeros. */
const TINY = 1e-30;

/** The same with each row of x divided by its largest value before it is rounded; a value below 0 counts `lowest` times. */
export function integerProductByRow(emit: Emitter, x: string, { lowest, ...matrix }: Matrix & { lowest: number }) {
  const over = (type: string): string[] => emit.node(type, [x, emit.ints([-1])], { keepdims: 1 });
  const below = emit.node('Mul', [...over('ReduceMin'), emit.scalar(lowest, 'float32')]);
  const largest = emit.node('Max', [...over('ReduceMax'), ...below, emit.scalar(TINY, 'float32')]); // [..., 1]
  const [even] = emit.node('Div', [x, ...largest]);
  return emit.node('Mul', [...integerProduct(emit, even!, matrix), ...largest]);
}

/** What is left of values when they were rounded (ONNX: DynamicQuantizeLinear). */
export function roundedValues(values: Float64Array): Float64Array {
  const least = values.reduce((a, b) => Math.min(a, b), 0);
  const most = values.reduce((a, b) => Math.max(a, b), 0);
  const size = (most - least) / 255;
  const zero = Math.round(-least / size);
  const within = (step: number): number => Math.min(255, Math.max(0, step));
  return values.map((value) => (within(Math.round(value / size) + zero) - zero) * size);
}

/** The same row by row: each is brought to its largest value, rounded with the others, and brought back. */
export function roundedByRow(values: Float64Array, width: number, lowest: number): Float64Array {
  const largest = Float64Array.from({ length: values.length / width }, (_, row) =>
    values
      .subarray(row * width, (row + 1) * width)
      .reduce((most, value) => Math.max(most, value, lowest * value), TINY),
  );
  const rowOf = (i: number): number => largest[Math.floor(i / width)]!;
  return roundedValues(values.map((value, i) => value / rowOf(i))).map((value, i) => value * rowOf(i));
}
