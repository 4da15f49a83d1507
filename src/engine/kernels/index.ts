/**
 * engine/kernels — loops over whole arrays, compiled to WebAssembly (kernels.as.ts): optimizer, norms, dropout masks.
 * Imports nothing. Invariant: works on memory it was given; keeps no state.
 */
export {
  type AdamWArguments,
  alignFloats,
  type DropoutArguments,
  FIRST_ADDRESS,
  type Kernels,
  openKernels,
} from './kernels.ts';
