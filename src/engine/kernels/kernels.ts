import { kernelsModule } from './kernels.generated.ts';

const PAGE_BYTES = 65_536;
/** A cache line, and a multiple of what every loop takes at once. */
const ALIGNED_FLOATS = 32;

export interface AdamWArguments {
  readonly weight: number;
  readonly gradient: number;
  readonly mean: number;
  readonly square: number;
  /** Number of floats; a multiple of 4. */
  readonly count: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly gradientScale: number;
  /** 1 − learning rate · weight decay */
  readonly decay: number;
  /** learning rate / (1 − beta1^t) */
  readonly stepSize: number;
  /** 1 / √(1 − beta2^t) */
  readonly inverseSquareCorrection: number;
}

export interface DropoutArguments {
  readonly out: number;
  /** Number of bytes; a multiple of 64. */
  readonly count: number;
  readonly key: readonly [number, number];
  readonly group: number;
  readonly part: number;
  /** Share of zeros. */
  readonly rate: number;
}

/** Compiled loops over one block of memory of their own. Addresses are in bytes. */
export interface Kernels {
  readonly memory: WebAssembly.Memory;
  adamW(args: AdamWArguments): void;
  sumOfSquares(address: number, count: number): number;
  accumulate(into: number, from: number, count: number): void;
  /** Bytes of 0 and 1. */
  dropoutMask(args: DropoutArguments): void;
}

interface Exports {
  adamW(...args: number[]): void;
  sumOfSquares(address: number, count: number): number;
  accumulate(into: number, from: number, count: number): void;
  dropoutMask(...args: number[]): void;
}

let compiled: WebAssembly.Module | undefined;

/** Kernels over a fresh memory of at least `bytes`. The operating system hands out pages only once they are touched. */
export function openKernels(bytes: number): Kernels {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(kernelsModule), (char) => char.charCodeAt(0)));
  const memory = new WebAssembly.Memory({ initial: 1 + Math.ceil(bytes / PAGE_BYTES) });
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  const loops = exports as unknown as Exports;
  return {
    memory,
    adamW: ({ weight, gradient, mean, square, count, ...rates }) => {
      const { beta1, beta2, epsilon, gradientScale, decay, stepSize, inverseSquareCorrection } = rates;
      const scalars = [beta1, beta2, epsilon, gradientScale, decay, stepSize, inverseSquareCorrection];
      loops.adamW(weight, gradient, mean, square, count, ...scalars);
    },
    sumOfSquares: (address, count) => loops.sumOfSquares(address, count),
    accumulate: (into, from, count) => loops.accumulate(into, from, count),
    dropoutMask: ({ out, count, key, group, part, rate }) => {
      const whole = Math.floor(rate * 256);
      const fraction = Math.floor((rate * 256 - whole) * 2 ** 32);
      loops.dropoutMask(out, count, key[0], key[1], group, part, whole, fraction);
    },
  };
}

/** The first address that a caller may use: below it lie the module's own globals. */
export const FIRST_ADDRESS = 1024;

/** A count of floats rounded up, so that the block after it starts on a cache line. */
export const alignFloats = (count: number): number => Math.ceil(count / ALIGNED_FLOATS) * ALIGNED_FLOATS;
