/**
 * A model over weights of 8 bits, for inference: linear layers but the task's head, and the embedding of the text.
 * Built as a method is, from the sites that layers declare, so that no model knows of it.
 */
import { type Data, input, type Tensor } from '../../engine/graph/index.ts';
import { quantisedGather, quantisedLinear } from '../../engine/ops/index.ts';
import type { Method } from '../../models/nn/index.ts';

type Weights = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;

export interface Int8Form {
  readonly method: Method;
  /** What the new weights hold, by name; filled while the model is built. */
  readonly values: ReadonlyMap<string, Data>;
}

export function int8Form(weights: Weights): Int8Form {
  const values = new Map<string, Data>();
  const leaf = (name: string, shape: readonly number[], data: Int8Array | Float32Array): Tensor => {
    values.set(name, data);
    return input(name, data instanceof Int8Array ? 'int8' : 'float32', shape);
  };
  const method: Method = {
    name: 'int8',
    linear({ path, x, bias, head }, next) {
      if (head) return next();
      const { shape, data } = weights.get(`${path}.weight`)!;
      const [out, width] = shape as [number, number];
      const { steps, scales } = quantiseRows(data, out, SUMMED);
      const weight = leaf(`${path}.weight_int8`, [width, out], transposed(steps, out));
      return quantisedLinear(x, { weight, scale: leaf(`${path}.weight_scale`, [out], scales) }, bias);
    },
    tokens({ path, inputIds }) {
      const { shape, data } = weights.get(`${path}.weight`)!;
      const rows = shape[0]!;
      const { steps, scales } = quantiseRows(data, rows, READ);
      const weight = leaf(`${path}.weight_int8`, shape, steps);
      return quantisedGather({ weight, scale: leaf(`${path}.weight_scale`, [rows, 1], scales) }, inputIds);
    },
  };
  return { method, values };
}

/**
 * Steps on either side of 0. Processors without VNNI add two products of 8 bits in 16: 2 · 255 · 63 fits, with 127 the
 * sum would be cut off in silence (docs/decisions/2026-11-23-onnx-export.md). What is only read may use all.
 */
const SUMMED = 63;
const READ = 127;

/** Each row in steps of a share of its largest value: row ≈ steps · scale. */
export function quantiseRows(data: Float32Array, rows: number, most: number) {
  const width = data.length / rows;
  const steps = new Int8Array(data.length);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const values = data.subarray(row * width, (row + 1) * width);
    const scale = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / most;
    scales[row] = scale;
    if (scale > 0)
      steps.set(
        Int8Array.from(values, (value) => Math.round(value / scale)),
        row * width,
      );
  }
  return { steps, scales };
}

/** [rows, width] → [width, rows] */
function transposed(matrix: Int8Array, rows: number): Int8Array {
  const width = matrix.length / rows;
  const result = new Int8Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) result[column * rows + row] = matrix[row * width + column]!;
  }
  return result;
}
