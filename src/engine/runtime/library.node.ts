/**
 * The C interface of the ONNX Runtime library that onnxruntime-node ships, called through koffi. The place of each
 * function in the table is a stable ABI (onnxruntime_c_api.h); only what is called here is listed.
 */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import koffi from 'koffi';

export type Pointer = unknown;
const API_VERSION = 22;
const TABLE_LENGTH = 300;
const out = '_Out_ void **';
const signatures = {
  createEnv: [3, ['int', 'const char *', out]],
  createSessionFromArray: [8, ['void *', 'void *', 'size_t', 'void *', out]],
  run: [9, ['void *', 'void *', 'const char **', 'void **', 'size_t', 'const char **', 'size_t', '_Inout_ void **']],
  createSessionOptions: [10, [out]],
  enableProfiling: [14, ['void *', 'const char *']],
  disableMemoryPattern: [17, ['void *']],
  setLogSeverity: [22, ['void *', 'int']],
  setOptimizationLevel: [23, ['void *', 'int']],
  setThreads: [24, ['void *', 'int']],
  createTensor: [49, ['void *', 'void *', 'size_t', 'int64_t *', 'size_t', 'int', out]],
  createCpuMemoryInfo: [69, ['int', 'int', out]],
  addConfigEntry: [130, ['void *', 'const char *', 'const char *']],
  addExternalInitializers: [210, ['void *', 'const char **', 'void **', 'size_t']],
} as const;
const releases = { status: 93, session: 95, value: 96, sessionOptions: 100 } as const;

// biome-ignore lint/suspicious/noExplicitAny: arguments are checked by koffi against the signature
type Arguments = any[];
type Call = (...args: Arguments) => void;
type Make = (...args: Arguments) => Pointer;

export interface OrtLibrary {
  readonly version: string;
  /** Kept, because koffi unloads a library that nobody holds. */
  readonly handle: unknown;
  /** Functions that return a status: a failure is thrown. */
  readonly call: Record<
    | 'enableProfiling'
    | 'disableMemoryPattern'
    | 'setLogSeverity'
    | 'setOptimizationLevel'
    | 'setThreads'
    | 'addConfigEntry'
    | 'addExternalInitializers',
    Call
  >;
  /** Functions whose last argument receives what they make. */
  readonly make: Record<
    'createEnv' | 'createSessionFromArray' | 'createSessionOptions' | 'createTensor' | 'createCpuMemoryInfo',
    Make
  >;
  /** Runs on another thread: the event loop goes on. */
  runAsync(...args: Arguments): Promise<void>;
  readonly release: Record<keyof typeof releases, (pointer: Pointer) => void>;
}

/** Opens the library. Throws a plain error where the file, or a function in it, is not there. */
export function openLibrary(path = libraryPath()): OrtLibrary {
  const base = koffi.struct({ GetApi: 'void *', GetVersionString: 'void *' });
  const library = koffi.load(path);
  const entry = koffi.decode(library.func('OrtGetApiBase', 'void *', [])(), base);
  const version: string = koffi.decode(entry.GetVersionString, koffi.proto('const char *', []))();
  const api: Pointer = koffi.decode(entry.GetApi, koffi.proto('void *', ['uint32_t']))(API_VERSION);
  if (!api) throw new Error(`ONNX Runtime ${version} does not offer version ${API_VERSION} of its C interface`);
  const table: Pointer[] = koffi.decode(api, koffi.array('void *', TABLE_LENGTH));
  return { version, handle: library, ...functionsOf(table) };
}

function functionsOf(table: readonly Pointer[]): Omit<OrtLibrary, 'version' | 'handle'> {
  const bind = (index: number, result: string, args: readonly string[]) =>
    koffi.decode(table[index], koffi.proto(result, [...args]));
  const messageOf = bind(2, 'const char *', ['void *']);
  const release = Object.fromEntries(
    Object.entries(releases).map(([name, index]) => [name, bind(index, 'void', ['void *'])]),
  ) as OrtLibrary['release'];
  const check = (status: Pointer): void => {
    if (!status) return;
    const message: string = messageOf(status);
    release.status(status);
    throw new Error(message);
  };
  const bound = Object.fromEntries(
    Object.entries(signatures).map(([name, [index, args]]) => [name, bind(index, 'void *', args)]),
  );
  const call = mapValues(
    bound,
    (f) =>
      (...args: Arguments) =>
        check(f(...args)),
  ) as OrtLibrary['call'];
  const make = mapValues(bound, (f) => (...args: Arguments) => {
    const made: Pointer[] = [null];
    check(f(...args, made));
    return made[0];
  }) as OrtLibrary['make'];
  return { call, make, release, runAsync: asyncCall(bound.run!, check) };
}

type Bound = Call & { async: Call };

const asyncCall =
  (f: Bound, check: (status: Pointer) => void) =>
  (...args: Arguments): Promise<void> =>
    new Promise((resolve, reject) => {
      f.async(...args, (error: Error | null, status: Pointer) => {
        try {
          if (error) throw error;
          check(status);
          resolve();
        } catch (failure) {
          reject(failure);
        }
      });
    });

const mapValues = <T, U>(record: Record<string, T>, change: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));

/** The shared file inside onnxruntime-node for this platform. */
function libraryPath(): string {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
  const folder = join(dirname(entry), '..', 'bin', 'napi-v6', process.platform, process.arch);
  const file = readdirSync(folder).find((name) => /^(lib)?onnxruntime(\.so\.1|\.1\.dylib|\.dll)$/.test(name));
  if (!file) throw new Error(`${folder} holds no ONNX Runtime library`);
  return join(folder, file);
}
