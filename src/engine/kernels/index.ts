/**
 * engine/kernels — loops over whole arrays, compiled to WebAssembly (kernels.as.ts): optimizer, norms, dropout masks.
 * Imports nothing. Invariant: works on memory it was given; keeps no state.
 */
export {
  type AdamWArguments,
  alignBytes,
  alignFloats,
  FIRST_ADDRESS,
  type Kernels,
  type MaskArguments,
  openKernels,
} from './kernels.ts';
