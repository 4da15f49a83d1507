/** Sessions on ONNX Runtime's C interface: outputs are written in place, and runs leave the event loop free. */
import type { Data, Tensor } from '../graph/index.ts';
import { onnxType, type StoredTensor, toOnnx } from '../onnx/index.ts';
import { bindFeeds, graphInputs, initializersOf, placeOutputs } from './bindSizes.ts';
import { entries } from './entries.ts';
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
      const written = toOnnx(outputs, {
        initializers: initializersOf(options.constants),
        outside: true,
        hideRanks: true,
      });
      const constants = written.outside.map((tensor) => constantOver(library, memory, tensor));
      const release = (): void => {
        for (const { tensor } of constants) library.release.value(tensor);
      };
      const session = createdOr(release, () =>
        createSession(library, { environment, bytes: written.bytes, constants, options }),
      );
      return nativeSession({
        library,
        memory,
        session,
        constants,
        outputs,
        inputs: graphInputs(outputs, written.inputs),
      });
    },
  };
}

function createdOr(release: () => void, create: () => Pointer): Pointer {
  try {
    return create();
  } catch (failure) {
    release();
    throw failure;
  }
}

/** An array that a session reads as long as it lives. */
interface Constant {
  readonly name: string;
  readonly data: Data;
  readonly tensor: Pointer;
}

function constantOver(library: OrtLibrary, memory: Pointer, { name, type, shape, data }: StoredTensor): Constant {
  return { name, data, tensor: tensorOver(library, memory, { type, shape, data }) };
}

interface Creation {
  readonly constants: readonly Constant[];
  readonly environment: Pointer;
  readonly bytes: Uint8Array;
  readonly options: SessionOptions;
}

function createSession(library: OrtLibrary, { environment, bytes, constants, options }: Creation): Pointer {
  const settings = library.make.createSessionOptions();
  try {
    library.call.setLogSeverity(settings, LOG_ERRORS);
    library.call.setOptimizationLevel(settings, OPTIMIZE_ALL);
    library.call.setThreads(settings, options.threads);
    if (options.profile) library.call.enableProfiling(settings, options.profile);
    // A plan of memory is made beside what its first run took: for a while there is twice as much.
    library.call.disableMemoryPattern(settings);
    for (const [name, value] of entries) library.call.addConfigEntry(settings, name, value);
    if (options.unpacked) library.call.addConfigEntry(settings, 'session.disable_prepacking', '1');
    const names = constants.map(({ name }) => name);
    const tensors = constants.map(({ tensor }) => tensor);
    if (names.length > 0) library.call.addExternalInitializers(settings, names, tensors, names.length);
    return library.make.createSessionFromArray(environment, bytes, bytes.length, settings);
  } finally {
    library.release.sessionOptions(settings);
  }
}

interface Opened {
  readonly library: OrtLibrary;
  readonly memory: Pointer;
  readonly session: Pointer;
  readonly constants: readonly Constant[];
  readonly inputs: readonly Tensor[];
  readonly outputs: Readonly<Record<string, Tensor>>;
}

function nativeSession({ library, memory, session, constants, inputs, outputs }: Opened): Session {
  const inputNames = inputs.map(({ name }) => name!);
  const outputNames = Object.keys(outputs);
  let last: Promise<unknown> = Promise.resolve();
  let isClosed = false;
  // The library holds bare addresses: they keep what a run works on from being collected before it ends.
  const [fedTensors, writtenTensors] = [keptTensors(library, memory), keptTensors(library, memory)];

  async function runNow(feeds: Values, into: Values): Promise<Record<string, Value>> {
    // The library would read freed memory.
    if (isClosed) throw new Error('internal: the session is closed');
    const { values, sizes } = bindFeeds(inputs, feeds);
    const results = placeOutputs(outputs, sizes, into);
    const fed = values.map((value, i) => fedTensors.at(i, value));
    const written = results.map(([, value], i) => writtenTensors.at(i, value));
    const read = [inputNames, fed, fed.length] as const;
    await library.runAsync(session, null, ...read, outputNames, outputNames.length, written);
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
      if (isClosed) return;
      isClosed = true;
      await last;
      for (const tensors of [fedTensors, writtenTensors]) tensors.release();
      library.release.session(session);
      for (const { tensor } of constants) library.release.value(tensor);
    },
  };
}

/**
 * Tensors over arrays. Most of a step's are weights and gradients, which are the arrays of the step before: their
 * tensors are kept, for making one takes longer than some operations.
 */
function keptTensors(library: OrtLibrary, memory: Pointer) {
  const kept: { value: Value; tensor: Pointer }[] = [];
  return {
    at(place: number, value: Value): Pointer {
      const last = kept[place];
      if (last && isSame(last.value, value)) return last.tensor;
      const tensor = tensorOver(library, memory, { ...value, type: onnxType[value.dtype] });
      kept[place] = { value, tensor };
      if (last) library.release.value(last.tensor);
      return tensor;
    },
    release(): void {
      for (const { tensor } of kept) library.release.value(tensor);
    },
  };
}

const isSame = (a: Value, b: Value): boolean =>
  a.data === b.data &&
  a.dtype === b.dtype &&
  a.shape.length === b.shape.length &&
  a.shape.every((size, i) => size === b.shape[i]);

/** A tensor that uses the array's own memory. The array must stay alive, and in its place, until the run is over. */
function tensorOver({ make }: OrtLibrary, memory: Pointer, { type, shape, data }: Omit<StoredTensor, 'name'>): Pointer {
  void data.buffer; // V8 keeps small typed arrays on its moving heap until somebody asks for their buffer.
  const dims = BigInt64Array.from(shape, BigInt);
  return make.createTensor(memory, data, data.byteLength, dims, dims.length, type);
}
