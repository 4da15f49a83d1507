/** A decoder that chooses labels, from its recipe to what leaves: trained whole and in part, measured, asked, merged. */
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  attune,
  errorOf,
  linesOf,
  objectOf,
  type Run,
  readJson,
  temporaryFolder,
  train,
  writeRecipe,
} from './attune.ts';
import { reviews, tinyRecipe, writeReviews } from './reviews.ts';

const golden = join(import.meta.dirname, '../golden/sft/model');
const folder = temporaryFolder();
const place = { cwd: folder };
/** The tokenizer of the small decoder knows some of these words in pieces only. */
const words = { negative: 'cold', neutral: 'weather', positive: 'answer' };

interface Prediction {
  readonly label: string;
  readonly score: number;
  readonly scores: Readonly<Record<string, number>>;
}
const predict = async (target: string, texts: readonly string[]): Promise<Prediction[]> => {
  const finished = await attune(['predict', target, ...texts, '--json'], place);
  expect(finished.code, `${finished.stdout}${finished.stderr}`).toBe(0);
  return linesOf<Prediction>(finished.stdout);
};
const texts = reviews(9, 400, words).map(({ text }) => text);
const expectClose = (found: readonly Prediction[], wanted: readonly Prediction[]): void => {
  found.forEach(({ label, scores }, i) => {
    expect(label).toBe(wanted[i]!.label);
    for (const [name, score] of Object.entries(scores)) expect(score).toBeCloseTo(wanted[i]!.scores[name]!, 4);
  });
};

let full: Run;
let lora: Run;
beforeAll(async () => {
  writeReviews(folder, words);
  // As many models come: nothing says what pads.
  cpSync(golden, join(folder, 'unpadded'), { recursive: true });
  for (const name of ['config.json', 'tokenizer_config.json']) {
    const { pad_token: _, pad_token_id: __, ...fields } = readJson(folder, 'unpadded', name);
    writeFileSync(join(folder, 'unpadded', name), JSON.stringify(fields));
  }
  writeRecipe(folder, tinyRecipe({ model: 'unpadded', training: { num_train_epochs: 6, learning_rate: 1e-2 } }));
  const method = { name: 'lora', r: 8, target_modules: 'all-linear' };
  const training = { num_train_epochs: 8, learning_rate: 2e-2 };
  writeRecipe(folder, tinyRecipe({ model: golden, method, training, output_dir: 'lora' }), 'lora.json');
  full = await train(['recipe.json'], place);
  lora = await train(['lora.json'], place);
});

describe('a run', () => {
  it('learns, with every weight or a part of them, and eval finds its figures again', async () => {
    for (const [name, run] of [
      ['run', full],
      ['lora', lora],
    ] as const) {
      expect(run.metrics['accuracy'], name).toBeGreaterThan(0.9);
      const found = objectOf<Run>(await attune(['eval', name, '--json'], place));
      expect(found.metrics['loss'], name).toBeCloseTo(run.metrics['loss']!, 5);
    }
    const [right, answers] = [reviews(9, 400, words), await predict('run', texts)];
    expect(answers.filter(({ label }, i) => label === right[i]!.label).length).toBeGreaterThan(6);
  });

  it.each([
    ['packed', ['data.packing=true', '~training.train_sampling_strategy']],
    ['head', ['method={name: freeze, trainable: head}', 'learning_rate=5e-2']],
    ['last', ['method={name: freeze, trainable: 1}']],
    ['rounded', ['method={name: lora, r: 4, base_precision: int8}']],
  ])('%s: the loss falls, and the saved model has its figures', async (name, more) => {
    const run = await train(['recipe.json', ...more, `output_dir=${name}`], place);
    expect(run.metrics['loss']).toBeLessThan(run.before['loss']!);
    const found = objectOf<Run>(await attune(['eval', name, '--json'], place));
    expect(found.metrics['loss']).toBeCloseTo(run.metrics['loss']!, 4);
  });

  it('is a folder that says what pads, as Transformers needs it for more than one text', () => {
    expect(readJson(folder, 'run/model/config.json')).toMatchObject({
      architectures: ['LlamaForSequenceClassification'],
      id2label: { 0: 'negative', 1: 'neutral', 2: 'positive' },
      pad_token_id: 383,
    });
    expect(readJson(folder, 'run/model/tokenizer_config.json')['pad_token']).toBe('<|im_end|>');
    expect(readJson(folder, 'lora/adapter/adapter_config.json')).toMatchObject({
      task_type: 'SEQ_CLS',
      modules_to_save: ['score'],
    });
  });

  it('does not read padding that a text ends with', async () => {
    const [plain, ended] = await predict('run', ['the answer', 'the answer<|im_end|><|im_end|>']);
    expect(ended).toEqual(plain);
    const [, other] = await predict('run', ['the answer', 'the answer<|endoftext|>']);
    expect(other!.scores).not.toEqual(plain!.scores);
  });
});

describe('what leaves', () => {
  it('a merged model answers as the adapter, from any folder and without it', async () => {
    const merged = await attune(['merge', 'lora', '--output', 'merged', '--json'], place);
    expect(objectOf<{ max_logit_difference: number }>(merged).max_logit_difference).toBeLessThan(1e-3);
    expectClose(await predict('merged', texts), await predict('lora', texts));
  });

  it('an adapter alone, that opens without what Attune notes beside it', async () => {
    expect((await attune(['export', 'lora', '--to', 'peft', '--output', 'peft'], place)).code).toBe(0);
    expectClose(await predict('peft', texts), await predict('lora', texts));
    execFileSync('rm', [join(folder, 'peft/attune.json')]);
    const bare = await predict('peft', texts);
    expect(Object.keys(bare[0]!.scores)).toEqual(['LABEL_0', 'LABEL_1', 'LABEL_2']);
    const named = (await predict('lora', texts)).map(({ scores }) => Object.values(scores));
    bare.forEach(({ scores }, i) => {
      for (const [label, score] of Object.values(scores).entries()) expect(score).toBeCloseTo(named[i]![label]!, 4);
    });
  });

  it('no ONNX, for transformers.js has no such classifier', async () => {
    const refused = await attune(['export', 'run', '--to', 'onnx', '--output', 'onnx', '--json'], place);
    expect(errorOf(refused)).toMatchObject({ code: 'EXPORT_UNSUPPORTED', fix: expect.stringContaining('--to hf') });
  });

  it('writes no text', async () => {
    expect(errorOf(await attune(['generate', 'run', '--prompt', 'a', '--json'], place)).code).toBe('MODEL_TASK');
    expect(errorOf(await attune(['generate', 'lora', '--prompt', 'a', '--json'], place)).code).toBe('MODEL_TASK');
  });
});

const python = process.env.ATTUNE_TEST_PYTHON;
if (!python) console.warn('SKIPPED: decoders that classify in Transformers and PEFT (set ATTUNE_TEST_PYTHON)');

describe.skipIf(!python)('Transformers and PEFT', () => {
  const open = (script: string, ...words: string[]) => {
    writeFileSync(join(folder, 'texts.json'), JSON.stringify({ texts }));
    const path = join(import.meta.dirname, '../../tools/golden', script);
    const said = execFileSync(python!, [path, ...words, join(folder, 'texts.json')], { encoding: 'utf8' });
    return JSON.parse(said) as { logits: number[][]; labels: string[]; loading: Record<string, string[]> };
  };
  const expectScores = (answers: readonly Prediction[], logits: readonly (readonly number[])[]): void => {
    answers.forEach(({ scores }, i) => {
      const [first, ...others] = Object.values(scores);
      others.forEach((score, at) => {
        expect(Math.log(score / first!)).toBeCloseTo(logits[i]![at + 1]! - logits[i]![0]!, 3);
      });
    });
  };

  it.each(['run/model', 'merged'])('%s opens with every weight and gives the same scores', async (saved) => {
    const opened = open('open_saved.py', join(folder, saved));
    expect(Object.values(opened.loading).flat()).toEqual([]);
    expectScores(await predict(saved, texts), opened.logits);
  });

  it('the adapter opens with its head on the base, and gives the same scores', async () => {
    const opened = open('open_adapter.py', join(folder, 'lora/adapter'), golden);
    expect(Object.values(opened.loading).flat()).toEqual([]);
    expectScores(await predict('lora', texts), opened.logits);
    expect(readFileSync(join(folder, 'lora/adapter/adapter_config.json'), 'utf8')).toContain('SEQ_CLS');
  });
});
