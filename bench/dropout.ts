/**
 * Forms of dropout on [32, 12, 128, 128] (the attention weights of one MiniLM layer), forward only, interleaved:
 *   npx tsx bench/dropout.ts
 * The fastest of some runs of each, in milliseconds; drawing the mask is counted where it is needed.
 */
import { apply, type Emitter, input, type Operation, type Tensor } from '../src/engine/graph/index.ts';
import { FIRST_ADDRESS, openKernels } from '../src/engine/kernels/index.ts';
import { mul } from '../src/engine/ops/index.ts';
import { stream } from '../src/engine/random/index.ts';
import type { Value } from '../src/engine/runtime/index.ts';
import { openRuntime } from '../src/engine/runtime/openRuntime.node.ts';

const shape = [32, 12, 128, 128];
const count = shape.reduce((a, b) => a * b, 1);
const rate = 0.1;
const { open } = await openRuntime();
const kernels = openKernels(FIRST_ADDRESS + count);
const { key } = stream(1, 'dropout');
const bytes = new Uint8Array(kernels.memory.buffer, FIRST_ADDRESS, count);
const draw = () => kernels.dropoutMask({ out: FIRST_ADDRESS, count, key, group: 1, part: 0, rate });
draw();
const drawn = Float32Array.from(bytes, (kept) => kept / (1 - rate));
const x = input('x', 'float32', shape);
const factors = input('factors', 'float32', shape);
const mask = input('mask', 'uint8', shape);
const seed = input('seed', 'int64', []);

/** A one-off row that is only emitted. */
const form = (onnx: (emit: Emitter, inputs: string[]) => string[], inputs: Tensor[]): Tensor => {
  const row: Operation = {
    name: 'form',
    onnx: (emit, names) => onnx(emit, names),
    type: () => x,
    gradient: () => [],
    reference: () => [],
    samples: [],
  };
  return apply<void>(row, inputs, undefined);
};

const hash = (emit: Emitter, [value, start64]: string[]): string[] => {
  const one = (type: string, ...inputs: string[]): string => emit.node(type, inputs)[0]!;
  const counter = emit.node('Range', [emit.scalar(0, 'int64'), emit.scalar(count, 'int64'), emit.scalar(1, 'int64')]);
  const start = emit.node('Cast', [one('Add', counter[0]!, start64!)], { to: 12 })[0]!; // uint32
  const constant = (n: number) => emit.node('Cast', [emit.scalar(n, 'int64')], { to: 12 })[0]!;
  const mix = (h: string, shift: number, factor: number): string => {
    const shifted = emit.node('BitShift', [h, constant(shift)], { direction: 'RIGHT' })[0]!;
    return one('Mul', one('BitwiseXor', h, shifted), constant(factor));
  };
  const bits = mix(mix(start, 16, 0x7feb352d), 15, 0x846ca68b);
  const kept = emit.node(
    'Cast',
    [one('Greater', emit.node('Cast', [bits], { to: 1 })[0]!, emit.scalar(rate * 2 ** 32, 'float32'))],
    { to: 1 },
  );
  return [one('Mul', value!, one('Reshape', kept[0]!, emit.ints(shape)))];
};

const forms: Record<string, { graph: Tensor; draws: boolean }> = {
  'mul alone': { graph: mul(x, 1.25), draws: false },
  'factors as floats (not drawn here), Mul': { graph: mul(x, factors), draws: false },
  'bytes drawn, DequantizeLinear, Mul (chosen)': {
    graph: form(
      (emit, [a, b]) => emit.node('Mul', [a!, ...emit.node('DequantizeLinear', [b!, emit.scalar(1.25, 'float32')])]),
      [x, mask],
    ),
    draws: true,
  },
  'bytes (not drawn here), Cast, Mul': {
    graph: form((emit, [a, b]) => emit.node('Mul', [a!, emit.cast(b!, 'float32')]), [x, mask]),
    draws: false,
  },
  'bytes (not drawn here), Where': {
    graph: form(
      (emit, [a, b]) => emit.node('Where', [emit.cast(b!, 'bool'), a!, emit.scalar(0, 'float32')]),
      [x, mask],
    ),
    draws: false,
  },
  'ONNX Dropout (not seekable)': {
    graph: form(
      (emit, [a]) => emit.node('Dropout', [a!, emit.scalar(rate, 'float32'), emit.scalar(1, 'bool')], { seed: 1 }),
      [x],
    ),
    draws: false,
  },
  'hash in the graph': { graph: form(hash, [x, seed]), draws: false },
};
const values: Record<string, Value> = {
  x: { dtype: 'float32', shape, data: new Float32Array(count).fill(1) },
  factors: { dtype: 'float32', shape, data: drawn },
  mask: { dtype: 'uint8', shape, data: bytes },
  seed: { dtype: 'int64', shape: [], data: BigInt64Array.of(7n) },
};
const fastest: Record<string, number> = {};
const sessions = await Promise.all(
  Object.entries(forms).map(async ([name, { graph, draws }]) => ({
    name,
    draws,
    session: await open({ y: graph }, { threads: 2 }),
  })),
);
const place = { y: { dtype: 'float32', shape, data: new Float32Array(count) } } as const;
for (let round = 0; round < 12; round++) {
  for (const { name, draws, session } of sessions) {
    const started = performance.now();
    if (draws) draw();
    await session.run(values, place);
    fastest[name] = Math.min(fastest[name] ?? Number.POSITIVE_INFINITY, performance.now() - started);
  }
}
for (const [name, ms] of Object.entries(fastest)) console.log(`${ms.toFixed(1).padStart(7)} ms  ${name}`);
