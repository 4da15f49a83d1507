/** The system's Chromium, and in it a page that runs ONNX models on onnxruntime-web. Nothing leaves 127.0.0.1. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import type { DType } from '../../src/engine/graph/index.ts';
import type { Value, Values } from '../../src/engine/runtime/index.ts';

const knownPaths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where Chromium is; else undefined, said aloud. ATTUNE_TEST_CHROMIUM names its file, which must then be there. */
export function findChromium(): string | undefined {
  const given = process.env.ATTUNE_TEST_CHROMIUM;
  if (given && !existsSync(given)) throw new Error(`ATTUNE_TEST_CHROMIUM is ${given}, and there is no such file`);
  const found = given || knownPaths.find((path) => existsSync(path));
  if (!found && process.env.CI) throw new Error('in CI the tests in a browser must run; install Chromium');
  if (!found) console.warn('SKIPPED: tests in a browser (install Chromium, or set ATTUNE_TEST_CHROMIUM to its file)');
  return found;
}

const quiet = ['--no-first-run', '--disable-quic', '--disable-background-networking', '--disable-component-update'];
/** WebGPU on SwiftShader, a GPU in software: it tells right from wrong, but not fast from slow. */
const softwareGpu = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan'];

export type Provider = 'wasm' | 'webgpu';

export interface Browser extends AsyncDisposable {
  openPage(provider: Provider): Promise<ModelPage>;
}

export interface ModelPage {
  /** Opens a session, runs it once and closes it. Where `strict`, it is refused if a node would run on the CPU. */
  run(model: Uint8Array, feeds: Values, options?: { strict?: boolean }): Promise<Record<string, Value>>;
  /** Types of the model's nodes by execution provider, where more than one takes part. */
  place(model: Uint8Array): Promise<Record<string, string[]>>;
}

export async function openBrowser(executablePath: string): Promise<Browser> {
  const server = await serve();
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', ...quiet, ...softwareGpu] });
  const { port } = server.address() as AddressInfo;
  return {
    async openPage(provider) {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${port}/page.html?provider=${provider}`);
      await page.waitForFunction('window.runModel');
      return modelPage(page);
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
      server.close();
    },
  };
}

const forbidCpu = { extra: { session: { disable_cpu_ep_fallback: '1' } } };

function modelPage(page: Page): ModelPage {
  const evaluate = (task: object): Promise<Record<string, Encoded>> =>
    page.evaluate(`window.runModel(${JSON.stringify(task)})`);
  return {
    async run(model, feeds, { strict = false } = {}) {
      const options = { logSeverityLevel: 3, ...(strict ? forbidCpu : {}) };
      return mapValues(await evaluate({ model: toBase64(model), feeds: mapValues(feeds, encode), options }), decode);
    },
    async place(model) {
      const log: string[] = [];
      const listen = (message: { text(): string }): number => log.push(message.text());
      page.on('console', listen);
      await evaluate({ model: toBase64(model), options: { logSeverityLevel: 0 } });
      page.off('console', listen);
      return readPlacements(log);
    },
  };
}

/** ONNX Runtime lists its nodes in its verbose log: a line for each provider, then one for each of its nodes. */
function readPlacements(log: readonly string[]): Record<string, string[]> {
  const placed: Record<string, string[]> = {};
  let provider = '';
  for (const line of log.filter((text) => text.includes('VerifyEachNodeIsAssignedToAnEp'))) {
    provider = /placed on \[(\w+)\]/.exec(line)?.[1] ?? provider;
    const operator = /\] +(\w+) \(/.exec(line)?.[1];
    if (operator) placed[provider] = [...(placed[provider] ?? []), operator];
  }
  return placed;
}

interface Encoded {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: string;
}

const mapValues = <T, U>(record: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
const toBase64 = ({ buffer, byteOffset, byteLength }: Value['data']): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64');
const encode = ({ dtype, shape, data }: Value): Encoded => ({ dtype, shape, data: toBase64(data) });

const arrays = {
  float32: Float32Array,
  int32: Int32Array,
  int64: BigInt64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};
function decode({ dtype, shape, data }: Encoded): Value {
  const bytes = Uint8Array.from(Buffer.from(data, 'base64'));
  return { dtype, shape, data: new arrays[dtype](bytes.buffer) };
}

const contentTypes: Readonly<Record<string, string>> = {
  html: 'text/html',
  js: 'text/javascript',
  mjs: 'text/javascript',
  wasm: 'application/wasm',
};

/** Serves this folder, and under /ort/ the files of onnxruntime-web as npm installed them. */
async function serve(): Promise<Server> {
  const distribution = dirname(createRequire(import.meta.url).resolve('onnxruntime-web/wasm'));
  const server = createServer((request, response) => {
    const [, ort, name = ''] = /^\/(ort\/)?([\w-][\w.-]*)/.exec(request.url ?? '') ?? [];
    const path = join(ort ? distribution : import.meta.dirname, name);
    const contentType = contentTypes[name.split('.').at(-1)!];
    const found = contentType && existsSync(path);
    response.writeHead(found ? 200 : 404, { 'content-type': contentType ?? 'text/plain' });
    response.end(found ? readFileSync(path) : '');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return server;
}
