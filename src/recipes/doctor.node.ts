/** What of Attune works on this machine: each part is tried, not only looked for. */
import { execFile } from 'node:child_process';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { input } from '../engine/graph/index.ts';
import { openKernels } from '../engine/kernels/index.ts';
import { mul } from '../engine/ops/index.ts';
import { openRuntime } from '../engine/runtime/openRuntime.node.ts';
import { knownModelTypes } from '../models/index.ts';
import { attuneVersion } from './train/version.node.ts';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  readonly why: string;
}

export interface Report {
  /** True when everything that training needs works. */
  readonly ok: boolean;
  readonly checks: readonly Check[];
}

const OLDEST_NODE = 20;
const GIGABYTE = 1e9;

export async function examine(): Promise<Report> {
  const needed = [node(), await runtime(), kernels()];
  const helpful = [machine(), await pip(), hub(), architectures()];
  return { ok: needed.every(({ ok }) => ok), checks: [...needed, ...helpful] };
}

function node(): Check {
  const ok = Number(process.versions.node.split('.')[0]) >= OLDEST_NODE;
  const found = `Attune ${attuneVersion()}, Node ${process.versions.node}`;
  return { name: 'version', ok, found, why: `Node ${OLDEST_NODE} or later is needed` };
}

/** Computes one product. */
async function runtime(): Promise<Check> {
  const why = 'runs the graphs; its C interface writes results in place, the binding is the second choice';
  try {
    const { name, version, open } = await openRuntime();
    const x = input('x', 'float32', ['count']);
    await using session = await open({ y: mul(x, x) }, { threads: 1 });
    const { y } = await session.run({ x: { dtype: 'float32', shape: [2], data: Float32Array.of(3, 4) } });
    return { name: 'runtime', ok: y!.data[0] === 9 && y!.data[1] === 16, found: `${name} ${version}`, why };
  } catch (failure) {
    return { name: 'runtime', ok: false, found: (failure as Error).message, why };
  }
}

function kernels(): Check {
  const why = 'the optimizer and dropout are compiled loops';
  try {
    openKernels(1);
    return { name: 'kernels', ok: true, found: 'WebAssembly with SIMD', why };
  } catch (failure) {
    return { name: 'kernels', ok: false, found: (failure as Error).message, why };
  }
}

function machine(): Check {
  const memory = `${(totalmem() / GIGABYTE).toFixed(0)} GB`;
  const found = `${availableParallelism()} threads of ${cpus()[0]?.model ?? 'an unknown processor'}, ${memory}`;
  return { name: 'machine', ok: true, found, why: 'device: cpu' };
}

async function pip(): Promise<Check> {
  const why = 'only for models given as pypi:PACKAGE';
  try {
    const { stdout } = await promisify(execFile)('python3', ['-m', 'pip', '--version']);
    return { name: 'pip', ok: true, found: stdout.split(' from ')[0]!.trim(), why };
  } catch {
    return { name: 'pip', ok: false, found: 'not found', why };
  }
}

function hub(): Check {
  const { HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE } = process.env;
  const parts = [
    HF_ENDPOINT ? 'HF_ENDPOINT is set' : 'the default hub',
    HF_TOKEN ? 'with a token' : 'without a token',
    ...(HF_HUB_OFFLINE ? ['offline'] : []),
  ];
  return { name: 'hub', ok: true, found: parts.join(', '), why: 'where models are fetched from' };
}

function architectures(): Check {
  return { name: 'architectures', ok: true, found: knownModelTypes().join(', '), why: 'model_type in config.json' };
}
