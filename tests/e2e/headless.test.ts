/** Classifiers whose adapters have no head: what they become for other programs has the base's. */
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { attune, linesOf, readJson, temporaryFolder, tensorsOf, tinyModel, train, writeRecipe } from './attune.ts';
import { copyWithoutHead } from './headless.ts';
import { reviews, tinyRecipe, writeReviews, writeTexts } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const python = process.env.ATTUNE_TEST_PYTHON;
if (!python) console.warn('SKIPPED: adapters without a head in PEFT (set ATTUNE_TEST_PYTHON to a python that has it)');
const hubLora = join(import.meta.dirname, '../golden/adapterhub-tiny/lora/adapter');
const texts = reviews(12, 500).map(({ text }) => text);

beforeAll(async () => {
  cpSync(tinyModel, join(folder, 'base'), { recursive: true });
  writeReviews(folder);
  writeTexts(folder, texts);
  writeFileSync(join(folder, 'input.json'), JSON.stringify({ texts }));
  writeRecipe(folder, tinyRecipe({ model: 'base', training: { max_steps: 10, learning_rate: 0.01 } }));
  for (const seed of [1, 2]) {
    await train(['recipe.json', 'method={name: lora, r: 2}', `seed=${seed}`, `output_dir=run-${seed}`], place);
    copyWithoutHead(join(folder, `run-${seed}/adapter`), join(folder, `headless-${seed}`));
  }
  await made('merge', 'headless-1=0.5', 'headless-2=0.5', '--output', 'sum');
  cpSync(hubLora, join(folder, 'hub'), { recursive: true });
  for (const file of ['head_config.json', 'model_head.safetensors']) rmSync(join(folder, 'hub', file));
  const config = readJson<object>(folder, 'hub/adapter_config.json');
  writeFileSync(
    join(folder, 'hub/adapter_config.json'),
    JSON.stringify({ ...config, model_name: join(folder, 'base') }),
  );
  await made('export', 'hub', '--to', 'peft', '--output', 'hub-peft');
  await made('export', 'headless-1', '--to', 'adapterhub', '--output', 'headless-hub');
});

async function made(...words: string[]): Promise<void> {
  const finished = await attune([...words, '--json'], place);
  expect(finished.code, finished.stdout).toBe(0);
}

async function predict(target: string) {
  const finished = await attune(['predict', target, '--input', 'texts.jsonl', '--json'], place);
  expect(finished.code, finished.stdout).toBe(0);
  return linesOf<{ scores: Record<string, number> }>(finished.stdout).map(({ scores }) => Object.values(scores));
}

describe.each([
  ['a sum of LoRAs', 'sum', 'headless-1'],
  ['a LoRA of AdapterHub', 'hub-peft', 'hub'],
])('%s as a PEFT folder', (_, written, from) => {
  it("has the base's head, which its configuration names", () => {
    const config = readJson<object>(folder, written, 'adapter_config.json');
    expect(config).toMatchObject({ task_type: 'SEQ_CLS', modules_to_save: ['classifier'] });
    const tensors = tensorsOf(join(folder, written, 'adapter_model.safetensors'));
    const base = tensorsOf(join(folder, 'base/model.safetensors'));
    for (const name of ['classifier.weight', 'classifier.bias']) {
      expect(tensors.get(`base_model.model.${name}`), name).toEqual(base.get(name));
    }
  });

  it.runIf(from === 'hub')('answers as it did', async () => {
    expect(await predict(written)).toEqual(await predict(from));
  });

  it.skipIf(!python)('opens in PEFT with the same scores', async () => {
    const opener = join(import.meta.dirname, '../../tools/golden/open_adapter.py');
    const words = [opener, join(folder, written), join(folder, 'base'), join(folder, 'input.json')];
    const { logits } = JSON.parse(execFileSync(python!, words, { encoding: 'utf8' })) as { logits: number[][] };
    for (const [i, scores] of (await predict(written)).entries()) {
      const total = logits[i]!.reduce((sum, logit) => sum + Math.exp(logit), 0);
      scores.forEach((score, at) => {
        expect(Math.abs(score - Math.exp(logits[i]![at]!) / total)).toBeLessThan(1e-4);
      });
    }
  });
});

it("a LoRA of PEFT as a folder of AdapterHub has the base's head, too", async () => {
  const head = tensorsOf(join(folder, 'headless-hub/model_head.safetensors'));
  expect([...head.keys()].sort()).toEqual(['classifier.bias', 'classifier.weight']);
  expect(await predict('headless-hub')).toEqual(await predict('headless-1'));
});
