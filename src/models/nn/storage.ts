/** How the frozen weight of a linear layer is kept: what it is made of, and what it stands for. */
import { type Data, type HostArray, input, interpret, type Tensor } from '../../engine/graph/index.ts';
import {
  BLOCK,
  byteRows,
  quantiseBlocks,
  quantiseRows,
  SUMMED,
  transpose,
  transposed,
  unpackBlocks,
  unpackInt4,
  unpackInt8,
} from '../../engine/ops/index.ts';
import type { OwnForm } from '../../files/index.ts';

export const basePrecisions = ['fp32', 'int8', 'int4'] as const;
export type BasePrecision = (typeof basePrecisions)[number];

export interface Stored {
  /** Inputs of the graph, in place of the weight itself. */
  readonly leaves: readonly Tensor[];
  /** The weight [out, in] that they stand for. */
  readonly unpacked: Tensor;
  /** The same in the shape that the checkpoint has. */
  readonly asKept: Tensor;
  /** What the leaves hold, from the weight's values; in the order of the leaves. */
  pack(values: Float32Array): readonly Data[];
  /** The leaves hold what the weight's file has, as it is: nothing is packed. */
  readonly own?: true;
}

/** What is known of the form in which the weights' file keeps a matrix. */
export type OwnForms = (name: string) => OwnForm | undefined;

type Form = Omit<Stored, 'asKept'>;
type Storage = (name: string, shape: readonly [number, number]) => Form;

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

/** Blocks of 4 bits as a file has them: its own rounding is kept, and one form serves both products. */
function ownBlocks(name: string, [out, width]: readonly [number, number], { form, rounds }: Own): Form {
  const perBlock = [out, width / BLOCK];
  const nibbles = input(`${name}.own`, 'uint8', [...perBlock, BLOCK / 2]);
  const scales = input(`${name}.own_scale`, 'float32', perBlock);
  const offsets = form.hasOffsets ? input(`${name}.own_offset`, 'float32', [width / BLOCK, out]) : undefined;
  const leaves = offsets ? [nibbles, scales, offsets] : [nibbles, scales];
  return { leaves, unpacked: unpackBlocks({ nibbles, scales, offsets }, { rounds }), ...asItIs(name) };
}

/** A table's rows of bytes likewise. */
function ownRows(name: string, [rows, width]: readonly [number, number], { rounds }: Own): Stored {
  const values = input(`${name}.own`, 'uint8', [rows, width]);
  const scales = input(`${name}.own_scale`, 'float32', [rows, width / BLOCK]);
  const unpacked = byteRows(values, scales, { rounds });
  return { leaves: [values, scales], unpacked, asKept: unpacked, ...asItIs(name) };
}

interface Own {
  readonly form: OwnForm;
  readonly rounds: boolean;
}

const asItIs = (name: string): Pick<Stored, 'own' | 'pack'> => ({
  own: true,
  pack() {
    throw new Error(`internal: '${name}' is read from its file as it is`);
  },
});

/** What is left of values in the form that a weight is kept in. */
export function roundTrip({ leaves, unpacked, pack }: Stored, values: Float32Array): Float32Array {
  const packed = pack(values);
  const feeds = leaves.map((leaf, i): [Tensor, HostArray] => {
    return [leaf, { shape: leaf.shape as number[], data: Float64Array.from(packed[i] as Float32Array) }];
  });
  return Float32Array.from(interpret([unpacked], new Map(feeds), {})[0]!.data);
}

interface StorageOptions {
  /** Its values come as [in, out]. */
  readonly transposed?: boolean;
  readonly ownForms?: OwnForms | undefined;
  /** Products with what is kept as the file has it may be rounded. */
  readonly rounds?: boolean;
}

/** Undefined where the weight is kept as it is: in 4 bits a matrix must be made of whole blocks both ways. */
export function storageOf(
  precision: BasePrecision,
  name: string,
  shape: readonly number[],
  { transposed: isTransposed = false, ownForms, rounds = false }: StorageOptions = {},
): Stored | undefined {
  const matrix = shape as readonly [number, number];
  const asKept = ({ unpacked }: Form): Tensor => (isTransposed ? transpose(unpacked, [1, 0]) : unpacked);
  const form = precision === 'int4' ? ownForms?.(name) : undefined;
  if (form?.bits === 4 && form.transposed === isTransposed) {
    const blocks = ownBlocks(name, matrix, { form, rounds });
    return { ...blocks, asKept: asKept(blocks) };
  }
  if (precision === 'fp32' || (precision === 'int4' && matrix.some((size) => size % BLOCK !== 0))) return undefined;
  const stored = precision === 'int4' ? int4(name, matrix) : int8(name, matrix);
  const pack = isTransposed ? (values: Float32Array) => stored.pack(transposed(values, matrix[1])) : stored.pack;
  return { ...stored, pack, asKept: asKept(stored) };
}

/** A frozen table of the vocabulary over a base of fewer bits: undefined where its file has it in no form to keep. */
export function tableStorage(
  precision: BasePrecision,
  name: string,
  shape: readonly number[],
  { ownForms, rounds = false }: Pick<StorageOptions, 'ownForms' | 'rounds'>,
): Stored | undefined {
  const form = precision === 'fp32' ? undefined : ownForms?.(name);
  if (form?.bits !== 8 || form.transposed) return undefined;
  return ownRows(name, shape as readonly [number, number], { form, rounds });
}
