/** How the frozen weight of a linear layer is kept: what it is made of, and what it stands for. */
import { type Data, input, type Tensor } from '../../engine/graph/index.ts';
import {
  BLOCK,
  quantiseBlocks,
  quantiseRows,
  SUMMED,
  transposed,
  unpackInt4,
  unpackInt8,
} from '../../engine/ops/index.ts';

export const basePrecisions = ['fp32', 'int8', 'int4'] as const;
export type BasePrecision = (typeof basePrecisions)[number];

export interface Stored {
  /** Inputs of the graph, in place of the weight itself. */
  readonly leaves: readonly Tensor[];
  /** The weight [out, in] that they stand for. */
  readonly unpacked: Tensor;
  /** What the leaves hold, from the weight's values; in the order of the leaves. */
  pack(values: Float32Array): readonly Data[];
}

type Storage = (name: string, shape: readonly [number, number]) => Stored;

const int8: Storage = (name, [out, width]) => {
  const forward = input(`${name}.forward`, 'int8', [width, out]);
  const forwardScale = input(`${name}.forward_scale`, 'float32', [out]);
  const backward = input(`${name}.backward`, 'int8', [out, width]);
  const backwardScale = input(`${name}.backward_scale`, 'float32', [width]);
  return {
    leaves: [forward, forwardScale, backward, backwardScale],
    unpacked: unpackInt8({ forward, forwardScale, backward, backwardScale }),
    pack(values) {
      const byOutput = quantiseRows(values, out, SUMMED);
      const byInput = quantiseRows(transposed(values, out), width, SUMMED);
      return [transposed(byOutput.steps, out), byOutput.scales, transposed(byInput.steps, width), byInput.scales];
    },
  };
};

const int4: Storage = (name, [out, width]) => {
  const blocks = (form: string, rows: number, columns: number) => ({
    nibbles: input(`${name}.${form}`, 'uint8', [rows, columns / BLOCK, BLOCK / 2]),
    scales: input(`${name}.${form}_scale`, 'float32', [rows, columns / BLOCK]),
  });
  const forward = blocks('forward', out, width);
  const backward = blocks('backward', width, out);
  return {
    leaves: [forward.nibbles, forward.scales, backward.nibbles, backward.scales],
    unpacked: unpackInt4({ forward, backward }),
    pack(values) {
      const [own, other] = [quantiseBlocks(values), quantiseBlocks(transposed(values, out))];
      return [own.nibbles, own.scales, other.nibbles, other.scales];
    },
  };
};

/** Undefined where the weight is kept as it is: in 4 bits a matrix must be made of whole blocks both ways. */
export function storageOf(
  precision: BasePrecision,
  name: string,
  shape: readonly number[],
  /** Its values come as [in, out]. */
  { transposed: isTransposed = false } = {},
): Stored | undefined {
  const matrix = shape as readonly [number, number];
  if (precision === 'fp32' || (precision === 'int4' && matrix.some((size) => size % BLOCK !== 0))) return undefined;
  const stored = precision === 'int4' ? int4(name, matrix) : int8(name, matrix);
  return isTransposed ? { ...stored, pack: (values) => stored.pack(transposed(values, matrix[1])) } : stored;
}
