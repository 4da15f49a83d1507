/** Sums of 8-bit products, as every row that rounds writes them and checks them. */
import { type Emitter, product, type Shape } from '../graph/index.ts';

/** What x [..., in] is multiplied with. */
interface Matrix {
  /** int8 [in, out] */
  readonly steps: string;
  /** [out], or one for all. */
  readonly scale: string;
  readonly bias?: string | undefined;
  readonly ins: number;
}

/** A byte has its zero in the middle, and so many steps on either side of it. */
const ZERO = 128;
const MOST = 127;

/** Divides a row of zeros. */
const TINY = 1e-30;

/**
 * x, each row rounded to whole steps of a share of its largest value, times a matrix of integers; in the given shape.
 * With one scale for all of x the tokens of a decoder would have only the steps that the outliers of one of them leave.
 */
export function integerProduct(emit: Emitter, x: string, { steps, scale, bias, ins }: Matrix, shape: Shape): string[] {
  const one = (type: string, ...inputs: string[]): string => emit.node(type, inputs)[0]!;
  const count = product(shape.slice(0, -1)); // N
  const rows = one('Reshape', x, emit.ints([-1, ins]));
  const extreme = (type: string): string => emit.node(type, [rows, emit.ints([1])], { keepdims: 1 })[0]!;
  const largest = one('Max', extreme('ReduceMax'), one('Neg', extreme('ReduceMin')), emit.scalar(TINY, 'float32'));
  const size = one('Mul', largest, emit.scalar(1 / MOST, 'float32')); // [N, 1]
  const sizes = one('Reshape', size, emit.ints([-1]));
  const zero = emit.scalar(ZERO, 'uint8');
  // Made as floats: WebGPU has no Expand of bytes, and finds that out when it runs.
  const zeros = emit.once(`zeros of ${count} rows`, () =>
    emit.cast(one('Expand', emit.scalar(ZERO, 'float32'), emit.shape([count])), 'uint8'),
  );
  const [whole] = emit.node('QuantizeLinear', [rows, sizes, zeros], { axis: 0 }); // uint8 [N, in]
  const y = one('Mul', integerSums(emit, { whole: whole!, zero, steps, scale }), size); // [N, out]
  return emit.node('Reshape', [bias ? one('Add', y, bias) : y, emit.shape(shape)]);
}

interface Rounded extends Pick<Matrix, 'steps' | 'scale'> {
  readonly whole: string;
  readonly zero: string;
}

/** (whole − zero)·steps·scale */
function integerSums(emit: Emitter, { whole, zero, steps, scale }: Rounded): string {
  if (emit.target === 'cpu') {
    const inputs = [whole, steps, emit.scalar(1, 'float32'), scale, zero];
    return emit.node('MatMulIntegerToFloat', inputs, {}, { domain: 'com.microsoft' })[0]!;
  }
  const [sums] = emit.node('MatMulInteger', [whole, steps, zero]);
  return emit.node('Mul', [emit.cast(sums!, 'float32'), scale])[0]!;
}

/** What is left of rows of numbers when they were rounded. */
export function roundedByRow(values: Float64Array, width: number): Float64Array {
  const sizes = Float64Array.from({ length: values.length / width }, (_, row) => {
    const own = values.subarray(row * width, (row + 1) * width);
    return own.reduce((most, value) => Math.max(most, Math.abs(value)), TINY) / MOST;
  });
  return values.map((value, i) => {
    const size = sizes[Math.floor(i / width)]!;
    return Math.round(value / size) * size;
  });
}
