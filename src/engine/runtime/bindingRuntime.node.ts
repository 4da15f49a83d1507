/** Sessions on onnxruntime-node's own binding: the second choice, for platforms where the C interface cannot be called. */
import type * as Ort from 'onnxruntime-node';
import type { Tensor } from '../graph/index.ts';
import { toOnnx } from '../onnx/index.ts';
import { bindFeeds, graphInputs, initializersOf, placeOutputs } from './bindSizes.ts';
import { entries } from './entries.ts';
import type { Runtime, Session, SessionOptions, Value } from './session.ts';

export async function openBindingRuntime(): Promise<Runtime> {
  const ort = await import('onnxruntime-node');
  return {
    name: 'onnxruntime-node (binding)',
    version: ort.env.versions.node ?? 'unknown',
    open: async (outputs, options) => {
      const { bytes, inputs } = toOnnx(outputs, { initializers: initializersOf(options.constants), hideRanks: true });
      const session = await ort.InferenceSession.create(bytes, sessionOptions(options));
      return bindingSession(ort, { session, outputs, inputs: graphInputs(outputs, inputs) });
    },
  };
}

const sessionOptions = ({ threads, unpacked }: SessionOptions): Ort.InferenceSession.SessionOptions => ({
  intraOpNumThreads: threads,
  graphOptimizationLevel: 'all',
  enableMemPattern: false,
  logSeverityLevel: 3,
  extra: { ...Object.fromEntries(entries), ...(unpacked && { 'session.disable_prepacking': '1' }) },
});

interface Opened {
  readonly session: Ort.InferenceSession;
  readonly inputs: readonly Tensor[];
  readonly outputs: Readonly<Record<string, Tensor>>;
}

function bindingSession(ort: typeof Ort, { session, inputs, outputs }: Opened): Session {
  const toOrt = ({ dtype, shape, data }: Value): Ort.Tensor =>
    new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
  return {
    inputs: inputs.map(({ name }) => name!),
    outputs: Object.keys(outputs),
    async run(feeds, into = {}) {
      const { values, sizes } = bindFeeds(inputs, feeds);
      const results = placeOutputs(outputs, sizes, into);
      const fed = Object.fromEntries(inputs.map(({ name }, i) => [name!, toOrt(values[i]!)]));
      // The binding writes preallocated outputs in place and returns a copy, which is dropped.
      await session.run(fed, Object.fromEntries(results.map(([name, value]) => [name, toOrt(value)])));
      return Object.fromEntries(results);
    },
    async [Symbol.asyncDispose]() {
      await session.release();
    },
  };
}
