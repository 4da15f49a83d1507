/** A BERT whose file has no pooler, as one that was saved under another head: it is trained and saved with the head. */
import { execFileSync } from 'node:child_process';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { safetensorsChunks } from '../../src/files/index.ts';
import { openCheckpoint } from '../../src/files/modelFolder.node.ts';
import { openBase } from '../../src/inference/manyAdapters/base.node.ts';
import { openManyClassifiers } from '../../src/inference/manyAdapters/classifiers.node.ts';
import { readTensors } from '../../src/recipes/export/tensors.ts';
import { readAdapter } from '../../src/store/adapters/index.ts';
import {
  attune,
  linesOf,
  objectOf,
  readJson,
  temporaryFolder,
  tensorsOf,
  tinyModel,
  train,
  writeRecipe,
} from './attune.ts';
import { reviews, tinyRecipe, writeReviews, writeTexts } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const python = process.env.ATTUNE_TEST_PYTHON;
if (!python) console.warn('SKIPPED: adapters in PEFT (set ATTUNE_TEST_PYTHON to a python that has it)');
const texts = reviews(20, 500).map(({ text }) => text);

beforeAll(async () => {
  cpSync(tinyModel, join(folder, 'base'), { recursive: true });
  const tensors = await readTensors(await openCheckpoint(tinyModel), (name) => !/pooler|classifier/.test(name));
  writeFileSync(join(folder, 'base/model.safetensors'), Buffer.concat([...safetensorsChunks(tensors)]));
  writeReviews(folder);
  writeTexts(folder, texts);
  writeFileSync(join(folder, 'input.json'), JSON.stringify({ texts }));
  writeRecipe(folder, tinyRecipe({ model: 'base', training: { num_train_epochs: 2 } }));
});

interface Case {
  readonly method: string;
  readonly opener?: 'PEFT';
}

const cases: Record<string, Case> = {
  lora: { method: '{name: lora, r: 4, target_modules: all-linear}', opener: 'PEFT' },
  // What users of PEFT write: the pooler is saved once.
  named: { method: '{name: lora, r: 4, modules_to_save: [pooler]}', opener: 'PEFT' },
  pissa: { method: '{name: lora, r: 4, target_modules: all-linear, init: pissa, base_precision: int8}' },
  prompt_tuning: { method: '{name: prompt_tuning, num_virtual_tokens: 4}', opener: 'PEFT' },
  adapter: { method: '{name: adapter, base_precision: int8}' },
  bitfit: { method: '{name: bitfit}' },
  head: { method: '{name: freeze}' },
};

const predict = async (target: string) =>
  linesOf<{ scores: Record<string, number> }>(
    (await attune(['predict', target, '--input', 'texts.jsonl', '--json'], place)).stdout,
  );

describe.each(Object.entries(cases))('%s', (name, { method, opener }) => {
  beforeAll(async () => {
    await train(['recipe.json', `method=${method}`, 'learning_rate=0.01', `output_dir=${name}`], place);
  });

  it('answers from its folder as it was evaluated', async () => {
    const run = readJson<{ metrics: Record<string, number> }>(folder, name, 'run.json');
    const evaluated = objectOf<{ metrics: object }>(await attune(['eval', name, '--json'], place));
    for (const [metric, value] of Object.entries(evaluated.metrics)) {
      expect(value, metric).toBeCloseTo(run.metrics[metric]!, 6);
    }
  });

  it('goes on from its adapter: the first evaluation is where it stood', async () => {
    const first = readJson<{ metrics: object }>(folder, name, 'run.json').metrics;
    const words = [`method=${method}`, `init_from=${name}`, 'max_steps=1', `output_dir=${name}-from`];
    const { majority: _, ...before } = (await train(['recipe.json', ...words], place)).before;
    for (const [metric, value] of Object.entries(before)) {
      expect(value, metric).toBeCloseTo(first[metric as keyof typeof first], 6);
    }
  });

  it.runIf(opener)('names the pooler among what PEFT opens whole, once', () => {
    const { modules_to_save: saved } = readJson<{ modules_to_save: string[] }>(
      folder,
      name,
      'adapter/adapter_config.json',
    );
    expect(saved.filter((module) => module.includes('pooler'))).toHaveLength(1);
    const names = [...tensorsOf(join(folder, name, 'adapter/adapter_model.safetensors')).keys()];
    const tensors = names
      .filter((tensor) => tensor.includes('pooler'))
      .map((tensor) => tensor.replace(/.*\.bert/, 'bert'));
    expect(tensors.sort()).toEqual(['bert.pooler.dense.bias', 'bert.pooler.dense.weight']);
  });

  it.skipIf(!python || !opener)('opens in PEFT with the same scores', async () => {
    const script = join(import.meta.dirname, '../../tools/golden/open_adapter.py');
    const places = [join(folder, name, 'adapter'), join(folder, 'base'), join(folder, 'input.json')];
    const { logits } = JSON.parse(execFileSync(python!, [script, ...places], { encoding: 'utf8' })) as {
      logits: number[][];
    };
    const labels = readJson<{ labels: string[] }>(folder, name, 'run.json').labels;
    const answers = await predict(name);
    logits.forEach((row, i) => {
      const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
      labels.forEach((label, at) => {
        expect(Math.abs(answers[i]!.scores[label]! - Math.exp(row[at]!) / total)).toBeLessThan(1e-4);
      });
    });
  });
});

it('is part of a merged model', async () => {
  const merged = await attune(['merge', 'lora', '--output', 'merged', '--json'], place);
  expect(merged.code, merged.stdout).toBe(0);
  const [own, whole] = [await predict('lora'), await predict('merged')];
  for (const [i, { scores }] of whole.entries()) {
    for (const [label, score] of Object.entries(scores)) {
      expect(Math.abs(score - own[i]!.scores[label]!)).toBeLessThan(1e-5);
    }
  }
});

it('stands beside others on one base', async () => {
  const names = ['lora', 'head'];
  const base = await openBase(join(folder, 'base'), { task: 'labels', basePrecision: 'fp32' });
  await using many = await openManyClassifiers(base, { threads: 1, batchSize: 8 });
  for (const name of names) {
    const { manifest, ...adapter } = (await readAdapter(join(folder, name, 'adapter')))!;
    const { labels, fingerprint } = manifest!;
    await many.add(new Map([[name, { adapter: { ...adapter, labels, fingerprint }, maxLength: 32 }]]));
  }
  for (const name of names) {
    const [alone, found] = [await predict(name), await many.predict(texts.map((text) => ({ text, adapter: name })))];
    found.forEach(({ scores }, i) => {
      for (const [label, score] of Object.entries(scores)) {
        expect(Math.abs(score - alone[i]!.scores[label]!)).toBeLessThan(1e-5);
      }
    });
  }
});
