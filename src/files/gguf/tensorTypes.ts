/**
 * The number types of tensors in .gguf files: one row each, by their number in the file
 * (https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-common.h).
 */
import { AttuneError } from '../../errors/index.ts';
import { toFloat32 } from '../floats.ts';
import type { TensorType } from './block.ts';
import { Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 } from './blocks.ts';
import { Q4_K, Q5_K, Q6_K } from './superBlocks.ts';

const plainType = (name: 'F32' | 'F16' | 'BF16', bytes: number): TensorType => ({
  name,
  values: 1,
  bytes,
  toFloats: (raw, into) => toFloat32(raw, name, into),
});

const tensorTypes: Readonly<Record<number, TensorType>> = {
  0: plainType('F32', 4),
  1: plainType('F16', 2),
  2: Q4_0,
  3: Q4_1,
  6: Q5_0,
  7: Q5_1,
  8: Q8_0,
  12: Q4_K,
  13: Q5_K,
  14: Q6_K,
  30: plainType('BF16', 2),
};

/** Types that exist and are not read, so that errors can name them. */
const otherTypes: Readonly<Record<number, string>> = {
  ...{ 9: 'Q8_1', 10: 'Q2_K', 11: 'Q3_K', 15: 'Q8_K', 16: 'IQ2_XXS', 17: 'IQ2_XS', 18: 'IQ3_XXS', 19: 'IQ1_S' },
  ...{ 20: 'IQ4_NL', 21: 'IQ3_S', 22: 'IQ2_S', 23: 'IQ4_XS', 24: 'I8', 25: 'I16', 26: 'I32', 27: 'I64', 28: 'F64' },
  ...{ 29: 'IQ1_M', 34: 'TQ1_0', 35: 'TQ2_0', 39: 'MXFP4', 40: 'NVFP4' },
};

/** Refuses a type that is not read. `where` is the file. */
export function tensorType(number: number, tensor: string, { where }: { readonly where: string }): TensorType {
  const type = tensorTypes[number];
  if (type) return type;
  const read = Object.values(tensorTypes).map(({ name }) => name);
  throw new AttuneError({
    code: 'GGUF_UNSUPPORTED',
    where: `${where} '${tensor}'`,
    problem: `its number type is ${otherTypes[number] ?? 'unknown'} (${number}), which is not read`,
    fix: `take the file of the same model in one of these: ${read.join(', ')} (Q4_K_M and Q8_0 files are made of them)`,
  });
}
