/**
 * A model over weights of 8 bits, for inference: linear layers but the task's head, and the embedding of the text.
 * Built as a method is, from the sites that layers declare, so that no model knows of it.
 */
import { type Data, input, type Tensor } from '../../engine/graph/index.ts';
import { quantisedGather, quantisedLinear, quantiseRows, READ, SUMMED, transposed } from '../../engine/ops/index.ts';
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
