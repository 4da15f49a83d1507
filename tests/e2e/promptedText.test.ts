/** Language models with vectors before the text: runs end well, are asked, and what they wrote is written again. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { assistantFolder, assistantRecipe } from './assistant.ts';
import {
  attune,
  distFolder,
  errorOf,
  linesOf,
  objectOf,
  readJson,
  readLines,
  start,
  temporaryFolder,
  train,
  writeRecipe,
} from './attune.ts';
import { writeTexts } from './reviews.ts';

const { load } = (await import(
  pathToFileURL(join(distFolder, 'index.js')).href
)) as typeof import('../../src/index.ts');

interface Said {
  readonly text: string;
  readonly finish_reason: string;
  readonly tokens: number;
}

interface Line extends Omit<Said, 'text'> {
  readonly prompt: string;
  readonly prediction: string;
}

const folder = temporaryFolder();
const place = { cwd: folder };
/** The model has 160. */
const vectors = 8;
const texts = join(assistantFolder, 'train.jsonl');

beforeAll(() => {
  const { validation_split: _, ...data } = assistantRecipe.data;
  writeRecipe(folder, {
    ...assistantRecipe,
    data: { ...data, validation: texts },
    training: { ...assistantRecipe.training, num_train_epochs: 20, learning_rate: 0.1 },
  });
});

async function generated(target: string, ...words: string[]): Promise<Said[]> {
  return linesOf<Said>((await attune(['generate', target, ...words, '--json'], place)).stdout);
}

describe.each(['prompt_tuning', 'p_tuning', 'prefix_tuning'])('%s', (name) => {
  beforeAll(async () => {
    const method = JSON.stringify({ name, num_virtual_tokens: vectors });
    await train(['recipe.json', `method=${method}`, `output_dir=${name}`], place);
  });

  it('a run of conversations succeeds, and its questions were answered', () => {
    expect(readJson(folder, name, 'run.json')).toMatchObject({ status: 'succeeded', predictions: { answered: 8 } });
  });

  it.each(['', '/adapter'])('generate writes again what the run wrote, from RUN%s', async (part) => {
    const lines = readLines<Line>(folder, name, 'predictions.jsonl').slice(0, 4);
    const words = lines.flatMap(({ prompt }) => ['--prompt', prompt]);
    const said = await generated(name + part, '--raw', ...words, '--max-new-tokens', '48');
    expect(said).toEqual(lines.map(({ prediction: text, finish_reason, tokens }) => ({ text, finish_reason, tokens })));
  });

  it('eval measures what the run measured, and chat answers as generate does', async () => {
    const { metrics } = readJson<{ metrics: { loss: number } }>(folder, name, 'run.json');
    const measured = objectOf<{ metrics: { loss: number } }>(await attune(['eval', name, '--json'], place));
    expect(measured.metrics.loss).toBeCloseTo(metrics.loss, 4);
    const started = start(['chat', name], place);
    started.child.stdin!.end('Who are you?\n');
    const [said] = await generated(name, '--prompt', 'Who are you?');
    expect((await started.finished).stdout.trim()).toBe(said!.text.trim());
  });

  it('the prompt, its answer and the vectors share the positions of the model', async () => {
    const long = Array.from({ length: 150 }, () => 'a').join('');
    const [said] = await generated(
      name,
      '--raw',
      '--prompt',
      'a',
      '--max-new-tokens',
      '400',
      '--logit-bias',
      '383=-100',
    );
    expect(said).toMatchObject({ finish_reason: 'length', tokens: 160 - vectors - 1 });
    const refused = errorOf(await attune(['generate', name, '--raw', '--prompt', long.repeat(2), '--json'], place));
    expect(refused).toMatchObject({
      code: 'PROMPT_LENGTH',
      problem: expect.stringContaining(`the model has positions for ${160 - vectors}`),
    });
  });

  it('becomes no whole model, and is not one of many by row', async () => {
    const merged = await attune(['merge', name, '--output', `${name}-whole`, '--json'], place);
    expect(errorOf(merged).code).toBe('EXPORT_UNSUPPORTED');
    await expect(load(assistantRecipe.model).with(join(folder, name))).rejects.toMatchObject({ code: 'ADAPTER_ALONE' });
  });
});

it('a run of plain texts is asked to go on from one', async () => {
  writeTexts(folder, ['the sun is warm', 'the sea is cold']);
  const data = ['task=causal-lm', 'data.train=texts.jsonl', 'data.validation=texts.jsonl', 'training.max_steps=2'];
  await train(['recipe.json', ...data, 'method=prompt_tuning', 'output_dir=texts'], place);
  expect(await generated('texts', '--prompt', 'the sun', '--max-new-tokens', '4')).toHaveLength(1);
});
