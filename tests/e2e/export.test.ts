/** What leaves: ONNX that transformers.js opens, Hugging Face folders, PEFT folders. All answer as the run does. */
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AutoModelForSequenceClassification, AutoTokenizer, env, pipeline } from '@huggingface/transformers';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  attune,
  contentsOf,
  errorOf,
  linesOf,
  objectOf,
  readJson,
  temporaryFolder,
  tensorsOf,
  tinyModel,
  train,
  writeRecipe,
} from './attune.ts';
import { reviews, tinyRecipe, twoLabels, writeReviews, writeRows, writeTexts } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const lora = { name: 'lora', r: 4, lora_alpha: 8, target_modules: ['query', 'value', 'dense'] };
env.allowRemoteModels = false;
env.localModelPath = folder;

type Scores = Readonly<Record<string, number>>;
interface Exported {
  readonly path: string;
  readonly bytes: number;
  readonly files: readonly string[];
  readonly max_logit_difference?: number;
}

/** Short ones, long ones, Chinese, and words that the model does not know. */
const texts = [...reviews(9, 500).map(({ text }) => text), 'good', '电影 好, 坏?', 'zebra café 12.5 the movie was bad'];

async function predict(target: string, file = 'texts.jsonl'): Promise<Scores[]> {
  const finished = await attune(['predict', target, '--input', file, '--json'], place);
  if (finished.code !== 0) throw new Error(finished.stdout + finished.stderr);
  return linesOf<{ scores: Scores }>(finished.stdout).map(({ scores }) => scores);
}

async function leave(...words: string[]): Promise<Exported> {
  const finished = await attune([...words, '--json'], place);
  if (finished.code !== 0) throw new Error(finished.stdout + finished.stderr);
  return objectOf<Exported>(finished);
}

const local = { device: 'cpu', local_files_only: true } as const;

/** Probabilities by label, as a Node service gets them. */
async function classify(model: string, dtype: 'fp32' | 'q8', asked: readonly string[]): Promise<Scores[]> {
  const classifier = await pipeline('text-classification', model, { ...local, dtype });
  const answers = await classifier([...asked], { top_k: null as unknown as number });
  await classifier.dispose();
  const rows = answers as unknown as { label: string; score: number }[][];
  return rows.map((row) => Object.fromEntries(row.map(({ label, score }) => [label, score])));
}

function largestDifference(a: readonly Scores[], b: readonly Scores[]): number {
  expect(a.map((scores) => Object.keys(scores).sort())).toEqual(b.map((scores) => Object.keys(scores).sort()));
  return Math.max(
    ...a.flatMap((scores, i) => Object.entries(scores).map(([name, score]) => Math.abs(score - b[i]![name]!))),
  );
}

beforeAll(async () => {
  cpSync(tinyModel, join(folder, 'base'), { recursive: true });
  writeReviews(folder);
  writeTexts(folder, texts);
  writeRecipe(folder, tinyRecipe({ model: 'base', training: { num_train_epochs: 2 } }));
  await train(['recipe.json', 'output_dir=full'], place);
  const partial = ['recipe.json', 'learning_rate=0.01'];
  await train([...partial, `method=${JSON.stringify(lora)}`, 'output_dir=lora'], place);
  await train([...partial, 'method={name: freeze, trainable: 1}', 'output_dir=frozen'], place);
});

describe.each(['full', 'lora', 'frozen', 'lora/adapter', 'full/model'])('export %s --to onnx', (target) => {
  const output = `onnx-${target.replace('/', '-')}`;
  let exported: Exported;
  beforeAll(async () => {
    exported = await leave('export', target, '--to', 'onnx', '--output', output);
  });

  it('leaves what transformers.js looks for, and says so', () => {
    const paths = [...contentsOf(join(folder, output)).keys()].map((path) =>
      path.slice(join(folder, output, '/').length),
    );
    expect(exported.files).toEqual(paths.sort());
    expect(exported.files).toEqual(
      expect.arrayContaining([
        'config.json',
        'onnx/model.onnx',
        'onnx/model_quantized.onnx',
        'tokenizer.json',
        'tokenizer_config.json',
      ]),
    );
    expect(exported.path).toBe(join(folder, output));
    const bytes = [...contentsOf(join(folder, output)).values()].map((text) => Buffer.from(text, 'base64').length);
    expect(exported.bytes).toBe(bytes.reduce((a, b) => a + b));
  });

  it('answers in transformers.js with the same probabilities, texts of all lengths together', async () => {
    expect(largestDifference(await classify(output, 'fp32', texts), await predict(target))).toBeLessThan(1e-5);
  });

  it('answers in int8 with nearly those', async () => {
    const answers = await classify(output, 'q8', texts);
    const exact = await predict(target);
    // A model of width 32 feels the rounding more than one of width 384 (docs/guide/export.md).
    const differences = answers.map((scores, i) => largestDifference([scores], [exact[i]!]));
    expect(Math.min(...differences)).toBeGreaterThan(0);
    expect(differences.reduce((a, b) => a + b) / differences.length).toBeLessThan(0.03);
    expect(Math.max(...differences)).toBeLessThan(0.15);
    const alone = await classify(output, 'q8', texts.slice(0, 1));
    expect(largestDifference(alone, answers.slice(0, 1))).toBeLessThan(0.02);
  });
});

describe('onnx', () => {
  it('answers pairs with the same probabilities', async () => {
    const pairs = reviews(8, 600).map(({ text }, i) => ({
      premise: text,
      hypothesis: i % 2 ? 'good' : 'the plot is bad',
    }));
    writeRows(folder, 'pairs.jsonl', pairs);
    const tokenizer = await AutoTokenizer.from_pretrained('onnx-full', local);
    const model = await AutoModelForSequenceClassification.from_pretrained('onnx-full', { ...local, dtype: 'fp32' });
    const inputs = tokenizer(
      pairs.map(({ premise }) => premise),
      { text_pair: pairs.map(({ hypothesis }) => hypothesis), padding: true },
    );
    const { logits } = await model(inputs);
    await model.dispose();
    const labels = Object.values(readJson<{ id2label: Scores }>(folder, 'onnx-full/config.json').id2label);
    const answers = (logits.tolist() as number[][]).map((row) => {
      const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
      return Object.fromEntries(row.map((logit, i) => [labels[i]!, Math.exp(logit) / total]));
    });
    expect(largestDifference(answers, await predict('full', 'pairs.jsonl'))).toBeLessThan(1e-5);
  });

  it('cuts a text where training cut it', async () => {
    expect(readJson(folder, 'onnx-full/tokenizer_config.json').model_max_length).toBe(32);
    // transformers.js cuts off the last [SEP], too: it answers, but not to the last digit as Attune does.
    const [answer] = await classify('onnx-full', 'fp32', ['good '.repeat(200)]);
    expect(answer!.positive).toBeGreaterThan(0.5);
  });

  it('in int8 alone is found without a dtype', async () => {
    const { files } = await leave('export', 'full', '--to', 'onnx', '--dtype', 'int8', '--output', 'small');
    expect(files.filter((name) => name.startsWith('onnx/'))).toEqual(['onnx/model_quantized.onnx']);
    const classifier = await pipeline('text-classification', 'small', local);
    expect(await classifier('good the film good')).toMatchObject([{ label: 'positive' }]);
    await classifier.dispose();
  });
});

describe('hf and merge', () => {
  it.each(['full', 'lora', 'frozen'])('%s leaves as a whole model that answers the same', async (target) => {
    const { files, max_logit_difference: difference } = await leave(
      'export',
      target,
      '--to',
      'hf',
      '--output',
      `hf-${target}`,
    );
    expect(files).toEqual(expect.arrayContaining(['config.json', 'model.safetensors', 'tokenizer.json']));
    expect(existsSync(join(folder, `hf-${target}`, 'adapter_config.json'))).toBe(false);
    expect(difference).toBeLessThan(1e-5);
    expect(largestDifference(await predict(`hf-${target}`), await predict(target))).toBeLessThan(1e-5);
    const names = [...tensorsOf(join(folder, `hf-${target}`, 'model.safetensors')).keys()];
    expect(names.sort()).toEqual([...tensorsOf(join(folder, 'full/model/model.safetensors')).keys()].sort());
  });

  it('merge writes the very same, with weights that moved', async () => {
    const { max_logit_difference: difference } = await leave('merge', 'lora', '--output', 'merged');
    expect(difference).toBeGreaterThan(0);
    const contents = (name: string) => [...contentsOf(join(folder, name)).values()];
    expect(contents('merged')).toEqual(contents('hf-lora'));
    const weight = 'bert.encoder.layer.0.attention.self.query.weight';
    const [merged, base] = ['merged', 'base'].map(
      (name) => tensorsOf(join(folder, name, 'model.safetensors')).get(weight)!,
    );
    expect(Math.max(...merged!.map((value, i) => Math.abs(value - base![i]!)))).toBeGreaterThan(1e-3);
  });

  it('prints the largest logit difference for people', async () => {
    const { stdout } = await attune(['merge', 'lora', '--output', 'told'], place);
    expect(stdout).toMatch(/^largest logit difference {2}\d\.\de-\d+ {2}on 30 rows$/m);
    const [, before, after] = /^accuracy +([\d.]+) → ([\d.]+)$/m.exec(stdout)!;
    expect(after).toBe(before);
    expect(stdout).toMatch(/^ {2}model\.safetensors +119 kB$/m);
  });
});

describe('a whole model', () => {
  it('is opened again with the length that it was trained with', async () => {
    await train(['recipe.json', 'data.max_length=8', 'max_steps=2', 'output_dir=short'], place);
    await leave('export', 'short', '--to', 'hf', '--output', 'short-hf');
    const long = [{ text: 'good the film was good and bad bad bad bad bad bad bad' }];
    writeRows(folder, 'long.jsonl', long);
    expect(await predict('short-hf', 'long.jsonl')).toEqual(await predict('short', 'long.jsonl'));
    // Its end does count where it is read.
    expect(await predict('short/model', 'long.jsonl')).not.toEqual(await predict('short', 'long.jsonl'));
  });
});

describe('a model with a threshold', () => {
  beforeAll(async () => {
    const two = reviews(60, 0, twoLabels);
    writeRows(folder, 'two.jsonl', two);
    const data = { train: 'two.jsonl', validation: 'two.jsonl' };
    const recipe = tinyRecipe({ model: 'base', data, evaluation: { threshold: 0.001 }, training: { max_steps: 2 } });
    writeRecipe(folder, recipe, 'two.json');
    await train(['two.json', `method=${JSON.stringify(lora)}`, 'output_dir=two'], place);
  });

  it('keeps it as a whole model', async () => {
    const { files } = await leave('merge', 'two', '--output', 'two-merged');
    expect(files).toContain('attune.json');
    const { stdout } = await attune(['predict', 'two-merged', 'bad the film bad', '--json'], place);
    expect(linesOf(stdout)).toMatchObject([{ label: 'positive' }]);
  });

  it('says that transformers.js does not know it', async () => {
    const words = ['export', 'two', '--to', 'onnx', '--dtype', 'fp32', '--output', 'two-onnx'];
    const { code, stderr } = await attune(words, place);
    expect(code).toBe(0);
    expect(stderr).toContain('apply the threshold 0.001');
    expect((await attune(['export', 'full', ...words.slice(2, -1), 'full-onnx'], place)).stderr).toBe('');
  });
});

describe('peft', () => {
  it('is the adapter, which opens and answers the same', async () => {
    const { files, max_logit_difference: difference } = await leave(
      'export',
      'lora',
      '--to',
      'peft',
      '--output',
      'peft',
    );
    expect(files).toEqual(['adapter_config.json', 'adapter_model.safetensors', 'attune.json']);
    expect(difference).toBeUndefined();
    expect(await predict('peft')).toEqual(await predict('lora'));
  });

  it('finds its base from its new place, also where the old adapter named it from its own', async () => {
    mkdirSync(join(folder, 'shipped'));
    cpSync(join(folder, 'lora/adapter'), join(folder, 'shipped/adapter'), { recursive: true });
    for (const [file, change] of [
      ['adapter_config.json', { base_model_name_or_path: '../../base' }],
      [
        'attune.json',
        { base: { ...readJson<{ base: object }>(folder, 'lora/adapter/attune.json').base, reference: '../../base' } },
      ],
    ] as const) {
      const path = join(folder, 'shipped/adapter', file);
      writeFileSync(path, JSON.stringify({ ...readJson(path), ...change }));
    }
    await leave('export', 'shipped/adapter', '--to', 'peft', '--output', 'further/away/peft');
    const config = readJson(folder, 'further/away/peft/adapter_config.json');
    expect(config.base_model_name_or_path).toBe(join(folder, 'base'));
    expect(await predict('further/away/peft')).toEqual(await predict('lora'));
  });

  it.each([
    ['full', 'it is a whole model'],
    ['frozen', "PEFT has no method like 'freeze'"],
  ])('is refused for %s', async (target, problem) => {
    const finished = await attune(['export', target, '--to', 'peft', '--output', 'no', '--json'], place);
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toEqual({
      code: 'EXPORT_UNSUPPORTED',
      where: `${target} --to peft`,
      problem: expect.stringContaining(problem),
      fix: expect.stringContaining('--to hf'),
    });
    expect(existsSync(join(folder, 'no'))).toBe(false);
  });
});

describe('bad words', () => {
  it.each([
    [['full', '--output', 'out'], 'attune export', '--to onnx|hf|peft'],
    [['full', '--to', 'onx', '--output', 'out'], 'attune export --to', 'did you mean onnx?'],
    [['full', '--to', 'gguf', '--output', 'out'], 'attune export --to', 'give onnx, hf, peft'],
    [['full', '--to', 'onnx'], 'attune export', '--output FOLDER'],
    [['full', '--to', 'onnx', '--output', 'out', '--dtype', 'fp32,int4'], 'attune export --dtype', 'give fp32, int8'],
    [['full', '--to', 'hf', '--output', 'out', '--dtype', 'int8'], 'attune export --dtype', 'leave it out'],
  ])('export %j', async (words, where, fix) => {
    const finished = await attune(['export', ...words, '--json'], place);
    expect(finished.code).toBe(2);
    const told = errorOf(finished);
    expect(told).toMatchObject({ code: 'USAGE', where, fix: expect.stringContaining(fix) });
    expect(existsSync(join(folder, 'out'))).toBe(false);
  });

  it('writes over nothing, and fills an empty folder', async () => {
    writeFileSync(join(folder, 'file'), 'mine');
    mkdirSync(join(folder, 'used'));
    writeFileSync(join(folder, 'used/mine.txt'), 'mine');
    mkdirSync(join(folder, 'empty'));
    const before = contentsOf(join(folder, 'used'));
    for (const output of ['file', 'used']) {
      const finished = await attune(['merge', 'full', '--output', output, '--json'], place);
      expect(finished.code).toBe(2);
      expect(errorOf(finished)).toMatchObject({ code: 'OUTPUT_EXISTS', where: `--output ${output}` });
    }
    expect(contentsOf(join(folder, 'used'))).toEqual(before);
    await leave('merge', 'full', '--output', 'empty');
    expect(readdirSync(join(folder, 'empty'))).toContain('model.safetensors');
  });
});
