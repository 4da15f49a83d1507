/** Sessions on ONNX Runtime's C interface: outputs are written in place, and runs leave the event loop free. */
import type { Tensor } from '../graph/index.ts';
import { onnxType, toOnnx } from '../onnx/index.ts';
import { bindFeeds, graphInputs, placeOutputs } from './bindSizes.ts';
import { type OrtLibrary, openLibrary, type Pointer } from './library.node.ts';
import type { Runtime, Session, SessionOptions, Value, Values } from './session.ts';

const LOG_ERRORS = 3;
const OPTIMIZE_ALL = 99;
const DEVICE_ALLOCATOR = 0;
const DEFAULT_MEMORY = 0;

export function openNativeRuntime(): Runtime {
  const library = openLibrary();
  const environment = library.make.createEnv(LOG_ERRORS, 'attune');
  const memory = library.make.createCpuMemoryInfo(DEVICE_ALLOCATOR, DEFAULT_MEMORY);
  return {
    name: 'onnxruntime (C interface)',
    version: library.version,
    open: async (outputs, options) => {
      const { bytes, inputs } = toOnnx(outputs);
      const session = createSession(library, { environment, bytes, options });
      return nativeSession({ library, memory, session, outputs, inputs: graphInputs(outputs, inputs) });
    },
  };
}

interface Creation {
  readonly environment: Pointer;
  readonly bytes: Uint8Array;
  readonly options: SessionOptions;
}

function createSession(library: OrtLibrary, { environment, bytes, options }: Creation): Pointer {
  const settings = library.make.createSessionOptions();
  try {
    library.call.setLogSeverity(settings, LOG_ERRORS);
    library.call.setOptimizationLevel(settings, OPTIMIZE_ALL);
    library.call.setThreads(settings, options.threads);
    // Spinning threads burn the time that the rest of the process needs between two runs.
    library.call.addConfigEntry(settings, 'session.intra_op.allow_spinning', '0');
    return library.make.createSessionFromArray(environment, bytes, bytes.length, settings);
  } finally {
    library.release.sessionOptions(settings);
  }
}

interface Opened {
  readonly library: OrtLibrary;
  readonly memory: Pointer;
  readonly session: Pointer;
  readonly inputs: readonly Tensor[];
  readonly outputs: Readonly<Record<string, Tensor>>;
}

function nativeSession({ library, memory, session, inputs, outputs }: Opened): Session {
  const inputNames = inputs.map(({ name }) => name!);
  const outputNames = Object.keys(outputs);
  let last: Promise<unknown> = Promise.resolve();
  // The library holds bare addresses: what a run works on must not be collected before it ends.
  const inUse = new Set<readonly Value[]>();

  async function runNow(feeds: Values, into: Values): Promise<Record<string, Value>> {
    const { values, sizes } = bindFeeds(inputs, feeds);
    const results = placeOutputs(outputs, sizes, into);
    inUse.add(values);
    const fed = values.map((value) => tensorOver(library, memory, value));
    const written = results.map(([, value]) => tensorOver(library, memory, value));
    try {
      const read = [inputNames, fed, fed.length] as const;
      await library.runAsync(session, null, ...read, outputNames, outputNames.length, written);
    } finally {
      for (const tensor of [...fed, ...written]) library.release.value(tensor);
      inUse.delete(values);
    }
    return Object.fromEntries(results);
  }

  return {
    inputs: inputNames,
    outputs: outputNames,
    run(feeds, into = {}) {
      const result = last.then(() => runNow(feeds, into));
      last = result.catch(() => undefined);
      return result;
    },
    async [Symbol.asyncDispose]() {
      await last;
      library.release.session(session);
    },
  };
}

/** A tensor that uses the array's own memory. The array must stay alive, and in its place, until the run is over. */
function tensorOver({ make }: OrtLibrary, memory: Pointer, { dtype, shape, data }: Value): Pointer {
  void data.buffer; // V8 keeps small typed arrays on its moving heap until somebody asks for their buffer.
  const dims = BigInt64Array.from(shape, BigInt);
  return make.createTensor(memory, data, data.byteLength, dims, dims.length, onnxType[dtype]);
}
