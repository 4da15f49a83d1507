/** Folders that are written for PEFT: what was trained is moved off its start, saved, opened here again, and there. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { collate } from '../../src/data/batch.ts';
import { requireJson } from '../../src/files/modelFolder.node.ts';
import type { MethodSettings } from '../../src/methods/index.ts';
import { describeModel } from '../../src/models/index.ts';
import { readAdapter, writePeftFolder } from '../../src/store/adapters/index.ts';
import type { PeftConfig } from '../../src/store/adapters/peft/forms.ts';
import { parameterValues, valuesOf } from '../../src/training/index.ts';
import { folderOf, goldenRows as goldenTexts, openDecoder, plainBatch, trainerOf } from './decoderModels.ts';
import { goldenFolder, readGolden, relativeError, runtime } from './fixtures.ts';
import { goldenRows, openPartial } from './partial.ts';

export const python = process.env['ATTUNE_TEST_PYTHON'];
if (!python) console.warn('SKIPPED: written folders in PEFT (set ATTUNE_TEST_PYTHON to a python that has it)');

const out = mkdtempSync(join(tmpdir(), 'attune-written-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));
export const newFolder = (): string => mkdtempSync(join(out, 'adapter-'));

export type Opened = Pick<Awaited<ReturnType<typeof openPartial>>, 'program' | 'memory'>;

/** Everything that is trained, off its start. */
export function move({ memory }: Opened): void {
  for (const { arrays } of memory.trained.values()) arrays.weight.set(arrays.weight.map((one, i) => one + moves(i)));
}
const moves = (i: number): number => Math.sin(1 + 1.7 * i) / 8;

/** What a run saves: what is trained, and what a method added. */
export const savedOf = ({ program, memory }: Opened) =>
  program.parameters
    .filter(({ parameter: { trainable, added } }) => trainable || added)
    .map(({ parameter: { name, shape } }) => {
      return { name, shape, dtype: 'float32' as const, data: valuesOf(memory, name) };
    });

const bert = join(goldenFolder, 'bert-tiny/model');

/** The tiny classifier under a method. Gives its folder, what is written about it, and what it answers. */
export async function writtenClassifier(method: MethodSettings) {
  const opened = await openPartial(method);
  move(opened);
  const folder = newFolder();
  const { architecture: facts } = describeModel(await requireJson(bert, 'config.json'), bert);
  const identity = { taskType: 'SEQ_CLS', baseName: bert, headModules: ['classifier'] };
  await writePeftFolder(folder, { method, ...identity, tensors: savedOf(opened), facts });
  const config = (await requireJson(folder, 'adapter_config.json')) as PeftConfig;
  return { folder, config, logits: await logitsOf(opened) };
}

const logitsOf = async ({ program, memory }: Awaited<ReturnType<typeof openPartial>>): Promise<Float32Array> => {
  await using session = await runtime.open({ logits: program.outputs.logits }, { threads: 1 });
  const { feeds } = collate(goldenRows().slice(0, 8), 0);
  return (await session.run({ ...parameterValues(program, memory), ...feeds })).logits!.data as Float32Array;
};

export async function expectReadBack(folder: string, logits: Float32Array): Promise<void> {
  const { method, open } = (await readAdapter(folder))!;
  const adapter = await open();
  const again = await openPartial(method, { adapter });
  await adapter.close();
  expect(await logitsOf(again)).toEqual(logits);
}

/** PEFT opens it with every tensor, answers the same, and the same once it is merged. */
export function expectInPeft(folder: string, logits: Float32Array): void {
  const { rows } = readGolden('bert-tiny/curve.json') as { rows: { input_ids: number[]; token_type_ids: number[] }[] };
  const asked = rows.slice(0, 8).map(({ input_ids, token_type_ids }) => ({ input_ids, token_type_ids }));
  writeFileSync(join(folder, 'input.json'), JSON.stringify({ rows: asked }));
  const found = runTool('open_adapter.py', folder, bert, join(folder, 'input.json')) as Record<string, number[][]>;
  for (const answers of [found['logits']!, found['merged_logits']!]) {
    expect(relativeError(answers.flat(), logits)).toBeLessThan(1e-5);
  }
}

/** A small decoder under a method, likewise; with the mean loss of the golden rows. */
export async function writtenDecoder(family: string, method: MethodSettings) {
  const opened = await openDecoder(family, { method });
  move(opened);
  const folder = newFolder();
  const { architecture: facts } = opened.description;
  const identity = { taskType: 'CAUSAL_LM', baseName: folderOf(family), headModules: [] };
  const weights = opened.program.parameters.map(({ parameter }) => parameter);
  await writePeftFolder(folder, { method, ...identity, tensors: savedOf(opened), facts, weights });
  const config = (await requireJson(folder, 'adapter_config.json')) as PeftConfig;
  return { folder, config, loss: await meanLoss(opened) };
}

/** What the folder comes to, opened on its base. */
export async function lossOfFolder(family: string, folder: string): Promise<number> {
  const { method, open } = (await readAdapter(folder))!;
  const adapter = await open();
  return await meanLoss(await openDecoder(family, { method, adapter }).finally(adapter.close));
}

async function meanLoss(opened: Awaited<ReturnType<typeof openDecoder>>): Promise<number> {
  await using trainer = await trainerOf(opened);
  const { sum } = await trainer.gradients([plainBatch(goldenTexts())], 1);
  return sum / goldenTexts().reduce((count, { labels }) => count + labels.slice(1).filter((id) => id >= 0).length, 0);
}

/** PEFT opens it with every tensor, and finds the same loss. */
export function expectLossInPeft(family: string, { folder, loss }: { folder: string; loss: number }): void {
  writeFileSync(join(folder, 'rows.json'), JSON.stringify({ rows: goldenTexts() }));
  const found = runTool('open_causal.py', folder, folderOf(family), join(folder, 'rows.json'));
  expect(found).toMatchObject({ loading: [], loss: expect.closeTo(loss, 4) });
}

export function runTool(script: string, ...words: readonly string[]): unknown {
  const path = join(import.meta.dirname, '../../tools/golden', script);
  return JSON.parse(execFileSync(python!, [path, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
}
