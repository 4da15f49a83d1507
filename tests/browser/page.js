/** Runs ONNX models on one provider of onnxruntime-web, as chromium.ts asks. Arrays travel as base64. */
const arrays = {
  float32: Float32Array,
  int32: Int32Array,
  int64: BigInt64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};
const provider = new URLSearchParams(location.search).get('provider');
const ort = await import(`/ort/ort.${provider}.bundle.min.mjs`);
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = '/ort/';

const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const toBase64 = ({ buffer, byteOffset, byteLength }) => {
  const letters = Array.from(new Uint8Array(buffer, byteOffset, byteLength), (byte) => String.fromCharCode(byte));
  return btoa(letters.join(''));
};
const toTensor = ({ dtype, shape, data }) => new ort.Tensor(dtype, new arrays[dtype](fromBase64(data).buffer), shape);
const fromTensor = ({ type, dims, data }) => ({ dtype: type, shape: dims, data: toBase64(data) });
const mapValues = (record, change) =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));

/** Opens a session, runs it once where there are feeds, and closes it. */
window.runModel = async ({ model, feeds, options }) => {
  const session = await ort.InferenceSession.create(fromBase64(model), { executionProviders: [provider], ...options });
  const results = feeds ? await session.run(mapValues(feeds, toTensor)) : {};
  await session.release();
  return mapValues(results, fromTensor);
};
