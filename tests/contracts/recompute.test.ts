/** Values that are computed again instead of being kept: the same gradients in less memory. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { print } from '../../src/engine/graph/index.ts';
import { openCheckpoint, requireJson } from '../../src/files/modelFolder.node.ts';
import { attachMethod, methods } from '../../src/methods/index.ts';
import { describeModel } from '../../src/models/index.ts';
import { buildProgram, packedTokenInputs } from '../../src/models/nn/index.ts';
import { classify } from '../../src/tasks/index.ts';
import {
  allocateParameters,
  gradientOutputs,
  loadParameters,
  openTrainer,
  type Recompute,
} from '../../src/training/index.ts';
import { batchOf, families, full, goldenRows, openDecoder, optimizer, plainBatch } from '../golden/decoderModels.ts';
import { feedsOf, goldenFolder, readTensors, relativeError, runtime } from '../golden/fixtures.ts';

type Opened = Pick<Awaited<ReturnType<typeof openDecoder>>, 'program' | 'memory'>;

async function gradientsOf({ program, memory }: Opened, feeds: Parameters<typeof readFeeds>[0], recompute: Recompute) {
  const options = { memory, open: runtime.open, threads: 1, seed: 3, optimizer, recompute };
  await using trainer = await openTrainer(program, options);
  const loss = await trainer.gradients([readFeeds(feeds)], 1);
  const gradients = [...memory.trained].map(([name, { arrays }]) => [name, arrays.gradient.slice()] as const);
  return { loss, gradients: new Map(gradients) };
}
const readFeeds = (feeds: ReturnType<typeof feedsOf>) => ({ feeds, rows: 4, tokens: 44 });

async function expectSame(opened: Opened, feeds: ReturnType<typeof feedsOf>): Promise<void> {
  const outputs = Object.values(gradientOutputs(opened.program, { recompute: 'all' }));
  expect(print(outputs)).toContain('= after ');
  const kept = await gradientsOf(opened, feeds, 'none');
  for (const recompute of ['cheap', 'all'] as const) {
    const again = await gradientsOf(opened, feeds, recompute);
    expect(again.loss).toEqual(kept.loss);
    for (const [name, gradient] of kept.gradients) {
      expect(relativeError(again.gradients.get(name)!, gradient), `${name}, ${recompute}`).toBeLessThan(1e-6);
    }
  }
}

const batch = plainBatch(goldenRows().slice(0, 4)).feeds;

test.each(families)('%s has the same loss and gradients', async (family) => {
  await expectSame(await openDecoder(family), batch);
  await expectSame(await openDecoder(family, { method: methods.lora.settings.parse({ name: 'lora' }) }), batch);
});

test('so has an encoder, with the same dropout both times', async () => {
  const folder = `${goldenFolder}/bert-tiny/model`;
  const description = describeModel(await requireJson(folder, 'config.json'), folder);
  const program = buildProgram(classify(description, { numLabels: 3 }), {
    methods: [attachMethod(full, description.architecture)],
    dropoutRate: () => 0.1,
  });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const base = { ...(await openCheckpoint(folder)), where: folder };
  await loadParameters(memory, parameters, { base, architecture: description.architecture, seed: 0 });
  await base.close();
  const golden = await readTensors('bert-tiny/step0.safetensors');
  const feeds = feedsOf(golden);
  const opened = { program, memory };
  const outputs = Object.values(gradientOutputs(program, { recompute: 'all' }));
  expect(print(outputs)).toContain('= after ');
  const kept = await gradientsOf(opened, feeds, 'none');
  const again = await gradientsOf(opened, feeds, 'all');
  expect(again.loss).toEqual(kept.loss);
  const largest = Math.max(...[...kept.gradients.values()].map((gradient) => Math.max(...gradient.map(Math.abs))));
  for (const [name, gradient] of kept.gradients) {
    const floor = name.endsWith('key.bias') ? largest : 1e-30;
    expect(relativeError(again.gradients.get(name)!, gradient, floor), name).toBeLessThan(1e-6);
  }
});

describe.each(families)('%s: attention over a part of the queries at a time', (family) => {
  test.each(['full', 'lora'] as const)('%s has the same loss and gradients', async (name) => {
    const method = methods[name].settings.parse({ name });
    const whole = await gradientsOf(await openDecoder(family, { method }), batch, 'none');
    for (const queryParts of [2, 40]) {
      const opened = await openDecoder(family, { method, queryParts });
      expect(print([opened.program.outputs.loss.sum]).includes('= attend ')).toBe(family !== 'gemma2');
      const parts = await gradientsOf(opened, batch, queryParts === 2 ? 'all' : 'cheap');
      expect(Math.abs(parts.loss.sum / whole.loss.sum - 1)).toBeLessThan(1e-5);
      for (const [key, gradient] of whole.gradients) {
        expect(relativeError(parts.gradients.get(key)!, gradient), key).toBeLessThan(1e-5);
      }
    }
  });
});

test.each(['llama', 'mistral'])(
  '%s: packed texts and windows, of which a part reads only what it sees',
  async (family) => {
    const rows = goldenRows();
    const packed = batchOf([rows.slice(0, 3), rows.slice(3, 5), rows.slice(5, 8)]).feeds;
    const opening = { batch: packedTokenInputs(), changes: { sliding_window: 7 } };
    const whole = await gradientsOf(await openDecoder(family, opening), packed, 'none');
    const parts = await gradientsOf(await openDecoder(family, { ...opening, queryParts: 5 }), packed, 'none');
    expect(Math.abs(parts.loss.sum / whole.loss.sum - 1)).toBeLessThan(1e-5);
    for (const [key, gradient] of whole.gradients) {
      expect(relativeError(parts.gradients.get(key)!, gradient), key).toBeLessThan(1e-5);
    }
  },
);

interface Measured {
  readonly loss: number;
  readonly bytes: number;
}

/** Each measurement starts a process, which takes long on a busy machine. */
const PATIENCE = { timeout: 300_000 };

/** In a process of its own: a peak never falls. */
function measure(settings: object): Measured {
  const script = join(import.meta.dirname, 'peakMemory.ts');
  const plain = { tokens: 1024, layers: 8, hidden: 32, vocabulary: 64, vocabularyPart: 64, recompute: 'none' };
  const args = ['--import', 'tsx', script, JSON.stringify({ ...plain, ...settings })];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Measured;
}

test('ONNX Runtime keeps what is computed again apart: memory falls to a fraction', PATIENCE, () => {
  const kept = measure({ layers: 12 });
  const cheap = measure({ layers: 12, recompute: 'cheap' });
  const again = measure({ layers: 12, recompute: 'all' });
  expect(cheap.loss).toBeCloseTo(kept.loss, 6);
  expect(cheap.bytes).toBeLessThan(0.75 * kept.bytes);
  expect(again.loss).toBeCloseTo(kept.loss, 6);
  expect(again.bytes).toBeLessThan(kept.bytes / 2);
});

test('scores of a large vocabulary are not held together', PATIENCE, () => {
  const large = { layers: 1, vocabulary: 40_000, recompute: 'all' };
  const whole = measure({ ...large, vocabularyPart: 40_000 });
  const parts = measure({ ...large, vocabularyPart: 2000 });
  expect(Math.abs(parts.loss / whole.loss - 1)).toBeLessThan(1e-5);
  expect(parts.bytes).toBeLessThan(whole.bytes / 2);
});

test('attention over long texts does not hold all weights of keys', PATIENCE, () => {
  const long = { tokens: 2048, layers: 2 };
  const whole = measure(long);
  const parts = measure({ ...long, queryParts: 8 });
  expect(Math.abs(parts.loss / whole.loss - 1)).toBeLessThan(1e-5);
  expect(parts.bytes).toBeLessThan(whole.bytes / 2);
});
