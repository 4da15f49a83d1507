/**
 * The fastest product that ONNX Runtime makes here, in fp32: what a step could reach at most. Prints {"gflops"}.
 *   npx tsx bench/attune/gemm.ts THREADS
 */
import { input } from '../../src/engine/graph/index.ts';
import { matmul } from '../../src/engine/ops/index.ts';
import { openRuntime } from '../../src/engine/runtime/openRuntime.node.ts';

const threads = Number(process.argv[2] ?? 2);
const shapes = [
  [2048, 2048, 2048],
  [4096, 384, 1536],
  [4096, 1536, 384],
] as const;

const { open } = await openRuntime();

async function fastest([m, k, n]: readonly [number, number, number]): Promise<number> {
  const y = matmul(input('a', 'float32', [m, k]), input('b', 'float32', [k, n]));
  await using session = await open({ y }, { threads });
  const filled = (...shape: number[]) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).map((_, i) => Math.sin(i));
    return { dtype: 'float32', shape, data } as const;
  };
  const feeds = { a: filled(m, k), b: filled(k, n) };
  const into = { y: filled(m, n) };
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    const started = performance.now();
    await session.run(feeds, into);
    least = Math.min(least, performance.now() - started);
  }
  return (2 * m * k * n) / least / 1e6;
}

let gflops = 0;
for (const shape of shapes) gflops = Math.max(gflops, await fastest(shape));
console.log(JSON.stringify({ gflops }));
