/** Folders of AdapterHub's library from models whose heads come and go: those that are like ours open, others are refused. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { collate } from '../../src/data/batch.ts';
import { requireJson } from '../../src/files/modelFolder.node.ts';
import { openClassifier } from '../../src/inference/classifier.node.ts';
import { openScorer } from '../../src/inference/index.ts';
import { loadWeights } from '../../src/inference/loadWeights.node.ts';
import { attachMethod } from '../../src/methods/index.ts';
import { describeModel } from '../../src/models/index.ts';
import { buildProgram } from '../../src/models/nn/index.ts';
import { exportTarget } from '../../src/recipes/export/index.ts';
import { taskOf } from '../../src/recipes/kindOf.node.ts';
import { openAdapted } from '../../src/recipes/manyAdapters/open.node.ts';
import { openTarget } from '../../src/recipes/target.node.ts';
import { nameHubBase, readAdapter } from '../../src/store/adapters/index.ts';
import { classify } from '../../src/tasks/index.ts';
import { folderOf, goldenBatchRows } from './decoderModels.ts';
import { goldenFolder, readGolden, readTensors, relativeError, runtime } from './fixtures.ts';

const out = mkdtempSync(join(tmpdir(), 'attune-hub-heads-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));
const { signal } = new AbortController();
const python = process.env['ATTUNE_TEST_PYTHON'];

const { texts, cases } = readGolden('adapterhub-heads/cases.json') as {
  texts: string[];
  cases: Record<string, Record<string, { logits: number[][] }>>;
};
const savedAt = (family: string, name: string): string =>
  join(goldenFolder, 'adapterhub-heads', family, name, 'adapter');
const base = join(goldenFolder, 'bert-tiny/model');

const softmaxed = (logits: readonly number[]): number[] => {
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  return logits.map((logit) => Math.exp(logit) / total);
};
const wanted = (name: string): number[] => cases['bert']![name]!.logits.flatMap(softmaxed);

async function answers(folder: string): Promise<number[]> {
  const { artifact } = await openTarget(folder, signal);
  await using model = await openClassifier(artifact, { threads: 1, batchSize: 1 });
  return (await model.predict(texts.map((text) => ({ text })))).flatMap(({ scores }) => Object.values(scores));
}

/** A copy whose head_config.json has other fields in `config`. */
async function withHead(config: object | null, fields: object = {}, name = 'default'): Promise<string> {
  const folder = mkdtempSync(join(out, 'head-'));
  cpSync(savedAt('bert', name), folder, { recursive: true });
  await nameHubBase(folder, base);
  const path = join(folder, 'head_config.json');
  const file = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...file, ...fields, config: config && { ...file.config, ...config } }));
  return folder;
}

describe.each(['default', 'lora', 'pooled'])('a head of BERT: %s', (name) => {
  test('answers as in the library, with its labels', async () => {
    expect(relativeError(await answers(savedAt('bert', name)), wanted(name))).toBeLessThan(1e-5);
    const { labels } = (await readAdapter(savedAt('bert', name)))!;
    expect(labels).toEqual(name === 'pooled' ? ['LABEL_0', 'LABEL_1', 'LABEL_2'] : ['bad', 'good']);
  });

  test('is one of many with its own layers, or not at all', async () => {
    await using many = await openAdapted(base, [savedAt('bert', name)], signal);
    const found = await many.predict(texts, { adapter: many.adapters[0]! });
    const scores = found.flatMap((one) => Object.values(one.scores));
    expect(relativeError(scores, wanted(name))).toBeLessThan(1e-5);
  });
});

test('a LoRA leaves with both layers of its head', async () => {
  const from = await withHead({}, {}, 'lora');
  for (const form of ['peft', 'hf', 'adapterhub'] as const) {
    const output = join(out, form);
    await exportTarget(from, { form, output, precisions: [], signal });
    expect(relativeError(await answers(output), wanted('lora')), form).toBeLessThan(1e-5);
  }
  if (!python) return;
  writeFileSync(join(out, 'input.json'), JSON.stringify({ texts }));
  const words = [
    join(goldenFolder, '../../tools/golden/open_adapter.py'),
    join(out, 'peft'),
    base,
    join(out, 'input.json'),
  ];
  const { logits } = JSON.parse(execFileSync(python, words, { encoding: 'utf8' })) as { logits: number[][] };
  expect(relativeError(logits.flatMap(softmaxed), wanted('lora'))).toBeLessThan(1e-4);
});

test('a head of Llama answers as in the library, and makes it a classifier', async () => {
  const folder = folderOf('llama');
  const adapter = (await readAdapter(savedAt('llama', 'scores')))!;
  expect(await taskOf({ adapter, artifact: { folder } })).toBe('text-classification');
  const description = describeModel(await requireJson(folder, 'config.json'), folder);
  const { architecture } = description;
  const methods = [attachMethod(adapter.method, architecture)];
  const program = buildProgram(classify(description, { numLabels: 2 }), { methods });
  const opened = { ...(await adapter.open()), where: adapter.folder };
  const { memory, fresh } = await loadWeights(program, { folder, adapter: opened, architecture });
  await opened.close();
  expect(fresh).toEqual([]);
  await using scorer = await openScorer(program, { memory, open: runtime.open, threads: 1 });
  const rows = goldenBatchRows(await readTensors('decoders/llama/step0.safetensors'));
  const logits: number[] = [];
  for (const { input_ids: inputIds } of rows) {
    logits.push(...(await scorer.score(collate([{ inputIds, label: 0 }], 0).feeds)).logits);
  }
  expect(relativeError(logits, cases['llama']!['scores']!.logits.flat())).toBeLessThan(1e-5);
});

describe('a head that is none of ours is refused', () => {
  const fix = 'with_head=False';
  test.each([
    [{ head_type: 'tagging' }, {}, 'config.head_type is "tagging"'],
    [{ head_type: 'multilabel_classification' }, {}, 'config.head_type is "multilabel_classification"'],
    [{ head_type: 'causal_lm' }, {}, 'config.head_type is "causal_lm"'],
    [{ num_labels: 1 }, {}, 'config.num_labels is 1'],
    [{ use_pooler: true }, {}, 'layers 2, activation_function "tanh", use_pooler true, bias true'],
    [{ layers: 3 }, {}, 'layers 3'],
    [{ layers: 1 }, {}, 'layers 1, activation_function "tanh", use_pooler false'],
    [{ activation_function: 'relu' }, {}, 'activation_function "relu"'],
    [{ bias: false }, {}, 'bias false'],
    [null, { model_class: 'BertForTokenClassification' }, 'model_class is "BertForTokenClassification"'],
  ])('%j %j', async (config, fields, problem) => {
    const folder = await withHead(config, fields);
    await expect(answers(folder)).rejects.toMatchObject({
      code: 'ADAPTER_UNSUPPORTED',
      where: join(folder, 'head_config.json'),
      problem: expect.stringContaining(problem),
      fix: expect.stringContaining(fix),
    });
  });

  test('as is one that Python pickled beside an adapter that it did not', async () => {
    const folder = await withHead({});
    rmSync(join(folder, 'model_head.safetensors'));
    writeFileSync(join(folder, 'pytorch_model_head.bin'), '');
    await expect(answers(folder)).rejects.toMatchObject({
      code: 'ADAPTER_UNSUPPORTED',
      where: join(folder, 'model_head.safetensors'),
    });
  });
});

test('fields that older files leave out are what the library takes', async () => {
  const folder = await withHead({ use_pooler: undefined, bias: undefined, dropout_prob: undefined });
  expect(relativeError(await answers(folder), wanted('default'))).toBeLessThan(1e-5);
});
