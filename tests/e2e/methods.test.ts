/** Every partial method as its users meet it: a recipe, a run that is broken off, its files, other programs. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { brokenAfter, outcomeOf } from '../crash/outcome.ts';
import {
  attune,
  errorOf,
  linesOf,
  objectOf,
  readJson,
  temporaryFolder,
  tinyModel,
  train,
  writeRecipe,
} from './attune.ts';
import { reviews, tinyRecipe, writeReviews, writeTexts } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const python = process.env.ATTUNE_TEST_PYTHON;
const adaptersPython = process.env.ATTUNE_TEST_ADAPTERS_PYTHON;
if (!python) console.warn('SKIPPED: adapters in PEFT (set ATTUNE_TEST_PYTHON to a python that has it)');

if (!adaptersPython)
  console.warn('SKIPPED: AdapterHub (set ATTUNE_TEST_ADAPTERS_PYTHON to a python that has adapters)');

interface Case {
  readonly method: string;
  /** Who opens its folder; left out: nobody else, the trained tensors are saved alone. */
  readonly opener?: 'PEFT' | 'AdapterHub';
  /** Nothing can be folded into the weights of the model. */
  readonly staysApart?: boolean;
  /** Rates at which the tiny model learns in 36 steps. */
  readonly rate: number;
}

const cases: Record<string, Case> = {
  bitfit: { method: '{name: bitfit}', rate: 0.03 },
  ln_tuning: { method: '{name: ln_tuning}', opener: 'PEFT', rate: 0.03 },
  ia3: { method: '{name: ia3}', opener: 'PEFT', rate: 0.03 },
  dora: { method: '{name: dora, r: 4, target_modules: all-linear, bias: lora_only}', opener: 'PEFT', rate: 0.01 },
  wide_expression: {
    method: '{name: lora, r: 4, target_modules: ".*(attention|LayerNorm).*", bias: lora_only}',
    opener: 'PEFT',
    rate: 0.01,
  },
  adalora: {
    method: '{name: adalora, init_r: 4, target_r: 2, lora_alpha: 32, deltaT: 3, target_modules: all-linear}',
    opener: 'PEFT',
    rate: 0.01,
  },
  embeddings: {
    method: '{name: lora, r: 4, target_modules: [query, word_embeddings], rank_pattern: {word_embeddings: 2}}',
    opener: 'PEFT',
    rate: 0.01,
  },
  pissa: {
    method: '{name: lora, r: 4, init: pissa, target_modules: [query, value, dense], rank_pattern: {query: 2}}',
    opener: 'PEFT',
    rate: 0.01,
  },
  loftq: {
    method: '{name: lora, r: 4, init: loftq, loftq_iter: 3, base_precision: int4, target_modules: all-linear}',
    rate: 0.01,
  },
  vera: { method: '{name: vera, r: 16, target_modules: all-linear}', opener: 'PEFT', rate: 0.03 },
  houlsby: {
    method: '{name: adapter, placement: houlsby, reduction_factor: 4}',
    opener: 'AdapterHub',
    staysApart: true,
    rate: 0.01,
  },
  pfeiffer: { method: '{name: adapter, reduction_factor: 4}', opener: 'AdapterHub', staysApart: true, rate: 0.01 },
  prompt_tuning: {
    method: '{name: prompt_tuning, num_virtual_tokens: 4}',
    opener: 'PEFT',
    staysApart: true,
    rate: 0.05,
  },
  prompt_from_text: {
    method:
      '{name: prompt_tuning, num_virtual_tokens: 4, prompt_tuning_init: text, prompt_tuning_init_text: good film}',
    opener: 'PEFT',
    staysApart: true,
    rate: 0.05,
  },
  prefix_tuning: {
    method: '{name: prefix_tuning, num_virtual_tokens: 4}',
    opener: 'PEFT',
    staysApart: true,
    rate: 0.05,
  },
  prefix_projection: {
    method: '{name: prefix_tuning, num_virtual_tokens: 4, prefix_projection: true}',
    opener: 'PEFT',
    staysApart: true,
    rate: 0.02,
  },
  p_tuning: { method: '{name: p_tuning, num_virtual_tokens: 4}', opener: 'PEFT', staysApart: true, rate: 0.02 },
  parallel: { method: '{name: adapter, placement: parallel}', opener: 'AdapterHub', staysApart: true, rate: 0.01 },
};

const predict = async (target: string) =>
  linesOf<{ scores: Record<string, number> }>(
    (await attune(['predict', target, '--input', 'texts.jsonl', '--json'], place)).stdout,
  );

beforeAll(() => {
  cpSync(tinyModel, join(folder, 'base'), { recursive: true });
  writeReviews(folder);
  const texts = reviews(20, 500).map(({ text }) => text);
  writeTexts(folder, texts);
  writeFileSync(join(folder, 'input.json'), JSON.stringify({ texts }));
  writeRecipe(
    folder,
    tinyRecipe({ model: 'base', training: { num_train_epochs: 3, save_steps: 18, save_total_limit: 9 } }),
  );
});

describe.each(Object.entries(cases))('%s', (name, { method, opener, staysApart = false, rate }) => {
  const words = ['recipe.json', `method=${method}`, `learning_rate=${rate}`];
  beforeAll(async () => {
    await train([...words, `output_dir=${name}`], place);
  });

  it('learns, and answers from its folder as it was evaluated', async () => {
    const run = readJson<{ metrics: { accuracy: number }; before: { majority: number } }>(folder, name, 'run.json');
    expect(run.metrics.accuracy).toBeGreaterThan(run.before.majority + 0.2);
    expect(existsSync(join(folder, name, 'adapter/adapter_config.json'))).toBe(opener !== undefined);
    const evaluated = objectOf<{ metrics: object }>(await attune(['eval', name, '--json'], place));
    // What frozen layers gave was kept while it learned: the same but for rounding.
    for (const [metric, value] of Object.entries(evaluated.metrics)) {
      expect(value, metric).toBeCloseTo(run.metrics[metric as 'accuracy'], 6);
    }
  });

  it('goes on after being broken off, and ends with the same bits', async () => {
    const broken = `${name}-broken`;
    brokenAfter(join(folder, name), 18, join(folder, broken));
    const resumed = await attune(['train', ...words, `output_dir=${broken}`, '--resume', '--json'], place);
    expect(resumed.code, resumed.stdout).toBe(0);
    expect(outcomeOf(join(folder, broken))).toEqual(outcomeOf(join(folder, name)));
  });

  it('goes on from its adapter: the first evaluation is where it stood', async () => {
    const first = readJson<{ metrics: object }>(folder, name, 'run.json').metrics;
    const run = await train([...words, `init_from=${name}`, 'max_steps=1', `output_dir=${name}-from`], place);
    const { majority: _, ...before } = run.before;
    expect(before).toEqual(first);
  });

  it.runIf(staysApart)('is not merged into the weights of a model', async () => {
    const merged = await attune(['merge', name, '--output', `${name}-merged`, '--json'], place);
    expect(merged.code).toBe(2);
    expect(errorOf(merged).code).toBe('EXPORT_UNSUPPORTED');
  });

  it.skipIf(staysApart)('merges into a whole model that answers the same', async () => {
    const merged = await attune(['merge', name, '--output', `${name}-merged`, '--json'], place);
    expect(merged.code, merged.stdout).toBe(0);
    const answers = await predict(name);
    (await predict(`${name}-merged`)).forEach(({ scores }, i) => {
      for (const [label, score] of Object.entries(scores)) {
        expect(Math.abs(score - answers[i]!.scores[label]!)).toBeLessThan(1e-5);
      }
    });
  });

  const interpreter = opener === 'PEFT' ? python : adaptersPython;
  it.skipIf(!interpreter || !opener)(`opens in ${opener} with the same scores`, async () => {
    const script = opener === 'PEFT' ? 'open_adapter.py' : 'open_adapter_hub.py';
    const path = join(import.meta.dirname, '../../tools/golden', script);
    const places = [join(folder, name, 'adapter'), join(folder, 'base'), join(folder, 'input.json')];
    const { logits, merged_logits: mergedLogits } = JSON.parse(
      execFileSync(interpreter!, [path, ...places], { encoding: 'utf8' }),
    ) as { logits: number[][]; merged_logits?: number[][] };
    const labels = readJson<{ labels: string[] }>(folder, name, 'run.json').labels;
    const answers = await predict(name);
    for (const found of [logits, mergedLogits ?? logits]) {
      found.forEach((row, i) => {
        const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
        labels.forEach((label, at) => {
          expect(Math.abs(answers[i]!.scores[label]! - Math.exp(row[at]!) / total)).toBeLessThan(1e-4);
        });
      });
    }
  });
});

describe('LoftQ', () => {
  it('leaves no adapter for programs that have another base', async () => {
    expect(readdirSync(join(folder, 'loftq/adapter')).sort()).toEqual(['attune.json', 'trained.safetensors']);
    for (const form of ['peft', 'mlx']) {
      const exported = await attune(['export', 'loftq', '--to', form, '--output', `loftq-${form}`, '--json'], place);
      expect(errorOf(exported)).toMatchObject({ code: 'EXPORT_UNSUPPORTED', where: `loftq --to ${form}` });
    }
  });

  it.each([
    ['{name: lora, r: 4, base_precision: int4, target_modules: all-linear}', 'loftq'],
    ['{name: lora, r: 4, init: loftq, loftq_iter: 3, base_precision: int8, target_modules: all-linear}', 'loftq'],
    ['{name: lora, r: 4, init: loftq, base_precision: int4, target_modules: [query, value, dense]}', 'pissa'],
  ])('goes on beside the base that it was rounded with, and not with %s', async (method, from) => {
    const words = ['recipe.json', `method=${method}`, `init_from=${from}`, 'output_dir=other-base', '--json'];
    expect(errorOf(await attune(['train', ...words], place)).code).toBe('ADAPTER_MISMATCH');
  });
});

const hubLora = join(import.meta.dirname, '../golden/adapterhub-tiny/lora/adapter');

describe('LoRA of AdapterHub', () => {
  const open = async (target: string) =>
    (await predict(target)).map(({ scores }) => Object.values(scores).map((score) => score.toFixed(6)));

  it('becomes a PEFT folder that answers the same', async () => {
    const exported = await attune(['export', hubLora, '--to', 'peft', '--output', 'hub-peft', '--json'], place);
    expect(exported.code, exported.stdout).toBe(0);
    const config = readJson<{ lora_alpha: number }>(folder, 'hub-peft/adapter_config.json');
    expect(config).toMatchObject({ peft_type: 'LORA', r: 4, lora_alpha: 12, task_type: 'SEQ_CLS' });
    expect(await open('hub-peft')).toEqual(await open(hubLora));
  });

  it.skipIf(!adaptersPython)(
    'goes back from there into a folder that AdapterHub opens with the same scores',
    async () => {
      await attune(['export', 'hub-peft', '--to', 'adapterhub', '--output', 'hub-again', '--json'], place);
      const path = join(import.meta.dirname, '../../tools/golden/open_adapter_hub.py');
      const places = [join(folder, 'hub-again'), tinyModel, join(folder, 'input.json')];
      const { logits } = JSON.parse(execFileSync(adaptersPython!, [path, ...places], { encoding: 'utf8' })) as {
        logits: number[][];
      };
      const shares = logits.map((row) => {
        const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
        return row.map((logit) => Math.exp(logit) / total);
      });
      const answers = await predict(hubLora);
      answers.forEach(({ scores }, i) => {
        Object.values(scores).forEach((score, at) => {
          expect(Math.abs(score - shares[i]![at]!)).toBeLessThan(1e-4);
        });
      });
    },
  );

  it('of before 1.1 has alpha without effect, as in its program', async () => {
    cpSync(hubLora, join(folder, 'hub-old'), { recursive: true });
    const config = readJson(folder, 'hub-old/adapter_config.json');
    const base = join(hubLora, config['model_name'] as string);
    const older = { ...config, version: 'adapters.1.0.1', model_name: base };
    writeFileSync(join(folder, 'hub-old/adapter_config.json'), JSON.stringify(older));
    await attune(['export', 'hub-old', '--to', 'peft', '--output', 'hub-old-peft', '--json'], place);
    expect(readJson(folder, 'hub-old-peft/adapter_config.json')).toMatchObject({ r: 4, lora_alpha: 4 });
    expect(await open('hub-old')).not.toEqual(await open(hubLora));
  });
});

describe('over a base in 8 bits', () => {
  it.each([
    ['PEFT', '{name: lora, r: 4, base_precision: int8}'],
    ['AdapterHub', '{name: adapter, reduction_factor: 4, base_precision: int8}'],
  ])('an adapter that %s opens is opened again as it was trained', async (opener, method) => {
    const words = [
      'recipe.json',
      `method=${method}`,
      'max_steps=6',
      'learning_rate=0.01',
      `output_dir=eight-${opener}`,
    ];
    const { metrics } = await train(words, place);
    const found = objectOf<{ metrics: Record<string, number> }>(
      await attune(['eval', `eight-${opener}`, '--json'], place),
    );
    expect(found.metrics['loss']).toBeCloseTo(metrics['loss']!, 5);
  });
});
