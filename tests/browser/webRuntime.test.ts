/** Operations, a training step and an exported model in Chromium: on wasm, and on WebGPU with nothing left to the CPU. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apply, input } from '../../src/engine/graph/index.ts';
import { type OnnxOptions, toOnnx } from '../../src/engine/onnx/index.ts';
import { operations } from '../../src/engine/ops/index.ts';
import type { Value, Values } from '../../src/engine/runtime/index.ts';
import { mergedTensors } from '../../src/inference/merged.ts';
import { readModelFolder } from '../../src/inference/modelFolder.node.ts';
import { inferenceGraph } from '../../src/recipes/export/inferenceGraph.ts';
import { gradientOutputs, parameterValues } from '../../src/training/index.ts';
import {
  feedsOf as goldenFeeds,
  goldenFolder,
  openClassifier,
  readTensors,
  relativeError,
  runtime,
} from '../golden/fixtures.ts';
import { type Browser, findChromium, type ModelPage, openBrowser, type Provider } from './chromium.ts';
import { caseSizes, feedsOf, largestError, type RowCase, rowCase } from './rowCases.ts';

const chromium = findChromium();
let browser: Browser;
let pages: Record<Provider, ModelPage>;

beforeAll(async () => {
  if (!chromium) return;
  browser = await openBrowser(chromium);
  pages = { wasm: await browser.openPage('wasm'), webgpu: await browser.openPage('webgpu') };
});
afterAll(() => browser?.[Symbol.asyncDispose]());

/** WebGPU has no kernels for integers of 64 and of 8 bits: exported models, and weights and steps in 8 bits, hold them. */
const eightBits = [
  'quantisedLinear',
  'unpackInt8',
  'int8Linear',
  'switchBack',
  'switchBackInput',
  'byteRowsNormaliser',
];
/** Where the parts of a text begin is reckoned in 64 bits. */
const inParts = ['attend', 'attendGradient'];
const leftToCpu = new Set(['toInt32', ...eightBits, ...inParts]);

/** WGSL promises these to 2⁻¹¹ only (https://www.w3.org/TR/WGSL/#floating-point-accuracy). */
const coarseOnWebgpu = new Set(['sin', 'cos']);
const tolerance = (engine: string, name: string): number =>
  engine === 'webgpu' && coarseOnWebgpu.has(name) ? 2 ** -11 : 2e-6;

/** Runs a case of a row in one form on one engine. WebGPU gets no help from the CPU. */
const engines: Record<string, (built: RowCase, name: string) => Promise<Record<string, Value>>> = {
  async cpu(built) {
    await using session = await runtime.open(built.named, { threads: 1 });
    return await session.run(feedsOf(built));
  },
  wasm: (built) => runInPage('wasm', built, {}),
  'wasm, portable': (built) => runInPage('wasm', built, { target: 'portable', sizes: caseSizes }),
  webgpu: (built, name) =>
    runInPage('webgpu', built, { target: 'portable', sizes: caseSizes, strict: !leftToCpu.has(name) }),
};

type Form = OnnxOptions & { readonly strict?: boolean };

function runInPage(provider: Provider, built: RowCase, { strict = false, ...form }: Form) {
  const { bytes, inputs } = toOnnx(built.named, form);
  return pages[provider].run(bytes, feedsOf(built, inputs), { strict });
}

describe.skipIf(!chromium)('outputs and gradients of a row equal its reference everywhere', () => {
  const table: Record<string, Record<string, string>> = {};
  afterAll(() => console.table(table));
  test.each(Object.entries(operations))('%s', async (name, operation) => {
    const cases = operation.samples.map((sample) => rowCase(operation, sample));
    table[name] = {};
    for (const [engine, run] of Object.entries(engines)) {
      let worst = 0;
      for (const built of cases) worst = Math.max(worst, largestError(built, await run(built, name)));
      table[name][engine] = worst.toExponential(0);
      expect(worst, engine).toBeLessThan(tolerance(engine, name));
    }
  });
});

test.skipIf(!chromium)('WebGPU adds every row of a repeated index to its place', async () => {
  const [count, width] = [1024, 16];
  const rows = input('rows', 'float32', [count, width]);
  const sums = apply(operations.scatter!, [rows, input('ids', 'int32', [count])], { shape: [2, width] });
  const feeds: Values = {
    rows: { dtype: 'float32', shape: [count, width], data: new Float32Array(count * width).fill(1) },
    ids: { dtype: 'int32', shape: [count], data: Int32Array.from({ length: count }, (_, i) => i % 2) },
  };
  const results = await pages.webgpu.run(toOnnx({ sums }, { target: 'portable' }).bytes, feeds, { strict: true });
  expect(new Set(results.sums!.data as Float32Array)).toEqual(new Set([count / 2]));
});

describe.skipIf(!chromium)('a training step of BERT', async () => {
  const folder = `${goldenFolder}/bert-tiny/model`;
  const golden = await readTensors('bert-tiny/step0.safetensors');
  const { program, memory } = await openClassifier(folder, 3);
  const outputs = gradientOutputs(program);
  const feeds: Values = { ...parameterValues(program, memory), ...goldenFeeds(golden) };
  const [batch, tokens] = feeds.input_ids!.shape as [number, number];
  const sizes = { batch, tokens };

  /** Loss and gradients against PyTorch's, and against the CPU's, each relative to its largest value. */
  async function expectGolden(results: Record<string, Value>): Promise<void> {
    await using session = await runtime.open(outputs, { threads: 1 });
    const onCpu = await session.run(feeds);
    const floats = (values: Readonly<Record<string, Value>>, name: string) => values[name]!.data as Float32Array;
    const largest = Math.max(...Object.keys(outputs).map((name) => Math.hypot(...floats(onCpu, name))));
    expect(Object.keys(results).sort()).toEqual(Object.keys(outputs).sort());
    for (const name of Object.keys(outputs)) {
      // The gradient of a key's bias is zero in exact arithmetic: only rounding can be compared there.
      const floor = name.endsWith('key.bias') ? largest : undefined;
      expect(relativeError(floats(results, name), floats(onCpu, name), floor), name).toBeLessThan(1e-5);
      if (name === 'loss_count') continue;
      expect(relativeError(floats(results, name), golden.get(name)!.data, floor), name).toBeLessThan(1e-5);
    }
    expect(Object.keys(outputs).filter((name) => golden.has(name)).length).toBe(Object.keys(outputs).length - 1);
  }

  test('on wasm, as it is written for the CPU', async () => {
    await expectGolden(await pages.wasm.run(toOnnx(outputs).bytes, feeds));
  });

  test('on WebGPU, with no node on the CPU', async () => {
    const { bytes } = toOnnx(outputs, { target: 'portable', sizes });
    await expectGolden(await pages.webgpu.run(bytes, feeds, { strict: true }));
  });

  test('WebGPU alone refuses the form written for the CPU', async () => {
    await expect(pages.webgpu.run(toOnnx(outputs, { sizes }).bytes, feeds, { strict: true })).rejects.toThrow(
      'fallback to CPU EP has been explicitly disabled',
    );
  });

  test('with named sizes, WebGPU leaves arithmetic on shapes to the CPU, and copies nothing there', async () => {
    const { bytes } = toOnnx(outputs, { target: 'portable' });
    const placed = await pages.webgpu.place(bytes);
    expect(new Set(placed.CPUExecutionProvider)).toEqual(new Set(['Add', 'Concat']));
    expect(placed.CPUExecutionProvider!.length).toBeLessThan(10);
    expect(placed.WebGpuExecutionProvider!.length).toBeGreaterThan(300);
    expect(placed.WebGpuExecutionProvider!.filter((type) => type.startsWith('Memcpy'))).toEqual([]);
    await expectGolden(await pages.webgpu.run(bytes, feeds));
  });
});

describe.skipIf(!chromium)('an exported model', async () => {
  const folder = `${goldenFolder}/bert-tiny/model`;
  const golden = await readTensors('bert-tiny/step0.safetensors');
  const { program, memory } = await openClassifier(folder, 3);
  const tensors = await mergedTensors(program, { memory, open: runtime.open, threads: 1 });
  const source = await readModelFolder(folder);
  const { labels: _, position_ids: __, ...asked } = goldenFeeds(golden);
  const long = ({ shape, data }: Value): Value => ({ dtype: 'int64', shape, data: BigInt64Array.from(data, BigInt) });
  const feeds = Object.fromEntries(Object.entries(asked).map(([name, value]) => [name, long(value)]));
  const error = async (provider: Provider, precision: 'fp32' | 'int8'): Promise<number> => {
    const bytes = inferenceGraph({ source, labels: source.labels!, tensors }, precision);
    const { logits } = await pages[provider].run(bytes, feeds);
    return relativeError(logits!.data as Float32Array, golden.get('logits')!.data);
  };

  test.each(['wasm', 'webgpu'] as const)("answers on %s with PyTorch's logits, in int8 nearly", async (provider) => {
    expect(await error(provider, 'fp32')).toBeLessThan(2e-5);
    expect(await error(provider, 'int8')).toBeLessThan(0.1);
  });
});
