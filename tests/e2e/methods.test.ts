/** Every partial method as its users meet it: a recipe, a run that is broken off, its files, other programs. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { brokenAfter, outcomeOf } from '../crash/outcome.ts';
import { attune, linesOf, objectOf, readJson, temporaryFolder, tinyModel, train, writeRecipe } from './attune.ts';
import { reviews, tinyRecipe, writeReviews, writeRows } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const python = process.env.ATTUNE_TEST_PYTHON;
if (!python) console.warn('SKIPPED: adapters in PEFT (set ATTUNE_TEST_PYTHON to a python that has it)');

interface Case {
  readonly method: string;
  /** PEFT has no such method: the trained tensors are saved alone. */
  readonly isOwn?: boolean;
  /** Rates at which the tiny model learns in 36 steps. */
  readonly rate: number;
}

const cases: Record<string, Case> = {
  bitfit: { method: '{name: bitfit}', isOwn: true, rate: 0.03 },
  ln_tuning: { method: '{name: ln_tuning}', rate: 0.03 },
  ia3: { method: '{name: ia3}', rate: 0.03 },
  dora: { method: '{name: dora, r: 4, target_modules: all-linear, bias: lora_only}', rate: 0.01 },
  vera: { method: '{name: vera, r: 16, target_modules: all-linear}', rate: 0.03 },
};

const predict = async (target: string) =>
  linesOf<{ scores: Record<string, number> }>(
    (await attune(['predict', target, '--input', 'texts.jsonl', '--json'], place)).stdout,
  );

beforeAll(() => {
  cpSync(tinyModel, join(folder, 'base'), { recursive: true });
  writeReviews(folder);
  const texts = reviews(20, 500).map(({ text }) => text);
  writeRows(
    folder,
    'texts.jsonl',
    texts.map((text) => ({ text })),
  );
  writeFileSync(join(folder, 'input.json'), JSON.stringify({ texts }));
  writeRecipe(
    folder,
    tinyRecipe({ model: 'base', training: { num_train_epochs: 3, save_steps: 18, save_total_limit: 9 } }),
  );
});

describe.each(Object.entries(cases))('%s', (name, { method, isOwn = false, rate }) => {
  const words = ['recipe.json', `method=${method}`, `learning_rate=${rate}`];
  beforeAll(async () => {
    await train([...words, `output_dir=${name}`], place);
  });

  it('learns, and answers from its folder as it was evaluated', async () => {
    const run = readJson<{ metrics: { accuracy: number }; before: { majority: number } }>(folder, name, 'run.json');
    expect(run.metrics.accuracy).toBeGreaterThan(run.before.majority + 0.2);
    expect(existsSync(join(folder, name, 'adapter/adapter_config.json'))).toBe(!isOwn);
    const evaluated = objectOf<{ metrics: object }>(await attune(['eval', name, '--json'], place));
    expect(evaluated.metrics).toEqual(run.metrics);
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

  it('merges into a whole model that answers the same', async () => {
    const merged = await attune(['merge', name, '--output', `${name}-merged`, '--json'], place);
    expect(merged.code, merged.stdout).toBe(0);
    const answers = await predict(name);
    (await predict(`${name}-merged`)).forEach(({ scores }, i) => {
      for (const [label, score] of Object.entries(scores)) {
        expect(Math.abs(score - answers[i]!.scores[label]!)).toBeLessThan(1e-5);
      }
    });
  });

  it.skipIf(!python || isOwn)('opens in PEFT with the same scores', async () => {
    const opener = join(import.meta.dirname, '../../tools/golden/open_adapter.py');
    const places = [join(folder, name, 'adapter'), join(folder, 'base'), join(folder, 'input.json')];
    const { logits, merged_logits: mergedLogits } = JSON.parse(
      execFileSync(python!, [opener, ...places], { encoding: 'utf8' }),
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
