/**
 * files — bytes to objects and back: safetensors, .gguf and Hugging Face folders. Imports engine's types and errors.
 * Invariant: trusts no file; what it returns was checked. Platform code stands in *.node.ts.
 */
export { type ByteSource, memorySource } from './bytes.ts';
export { canonicalJson } from './canonicalJson.ts';
export { type Checkpoint, checkpointOver, joinFiles, type OwnBlocks, type OwnForm } from './checkpoint.ts';
export { haveEqualValues } from './equalValues.ts';
export { openSafetensors, type Safetensors, type StoredTensor } from './safetensors.ts';
export { type NamedTensor, safetensorsChunks } from './safetensorsWriter.ts';
