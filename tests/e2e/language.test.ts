/** Runs of language models: the curve of Transformers and PEFT, whatever the batches; saved, measured and resumed. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { brokenAfter, killWhen, outcomeOf } from '../crash/outcome.ts';
import {
  attune,
  errorOf,
  linesOf,
  objectOf,
  readJson,
  readLines,
  start,
  temporaryFolder,
  train,
  unexplained,
  writeRecipe,
} from './attune.ts';
import { writeRows } from './reviews.ts';

const goldenFolder = join(import.meta.dirname, '../golden/sft');
const golden = readJson<{ rows: object[]; lora: Curve; full: Curve }>(goldenFolder, 'golden.json');
interface Curve {
  readonly loss: readonly number[];
  readonly final_loss: number;
}

interface RunJson {
  readonly metrics: Readonly<Record<string, number>>;
  readonly rows: { readonly validation: number };
  readonly predictions: object;
}
interface Line {
  readonly where: string;
  readonly text?: string;
  readonly loss: number;
  readonly learned_tokens: number;
  readonly prompt?: string;
  readonly prediction?: string;
  readonly finish_reason?: string;
  readonly tokens?: number;
}

const folder = temporaryFolder();
const place = { cwd: folder };
const lora = { name: 'lora', r: 4, lora_alpha: 8, target_modules: ['q_proj', 'v_proj'] };
/** Every step sees all eight rows, as that of the golden curve does. */
const recipe = {
  model: join(goldenFolder, 'model'),
  task: 'sft',
  data: { train: 'train.jsonl', validation: 'train.jsonl', max_length: 128 },
  method: 'full',
  training: {
    max_steps: 20,
    per_device_train_batch_size: 8,
    learning_rate: 2e-2,
    weight_decay: 0.01,
    logging_steps: 1,
  },
  evaluation: { eval_steps: 20 },
  threads: 1,
  output_dir: 'run',
};
const withLora = { ...recipe, init_from: join(goldenFolder, 'start'), method: lora };

beforeAll(() => {
  cpSync(join(goldenFolder, 'train.jsonl'), join(folder, 'train.jsonl'));
  writeRecipe(folder, withLora, 'lora.json');
  writeRecipe(folder, recipe, 'full.json');
});

const lossesOf = (run: string): number[] =>
  readLines<{ loss?: number }>(folder, run, 'metrics.jsonl').flatMap(({ loss }) => loss ?? []);
const difference = (found: readonly number[], wanted: readonly number[]): number =>
  Math.max(...wanted.map((value, i) => Math.abs(found[i]! - value) / value));

describe('twenty steps on conversations', () => {
  it.each([
    ['lora', []],
    ['full', []],
    ['lora', ['data.packing=true']],
    ['full', ['data.packing=true', 'micro_batch_tokens=64']],
    ['lora', ['per_device_train_batch_size=4', 'gradient_accumulation_steps=2']],
    ['lora', ['tokens_per_batch=2000', '~per_device_train_batch_size', 'micro_batch_tokens=100']],
  ] as const)('%s %j: the losses of Transformers and PEFT', async (method, words) => {
    const run = `${method}-${words.join('-').replaceAll(/[^\w]/g, '')}`;
    const { metrics } = await train([`${method}.json`, ...words, `output_dir=${run}`], place);
    const { loss, final_loss: final } = golden[method];
    expect(lossesOf(run)).toHaveLength(20);
    expect(difference(lossesOf(run), loss)).toBeLessThan(1e-4);
    // The validation rows are the training rows: the evaluation after the last step.
    expect(Math.abs(metrics['loss']! - final) / final).toBeLessThan(1e-4);
    expect(metrics['perplexity']).toBeCloseTo(Math.exp(metrics['loss']!), 6);
  });

  it('goes on with the template of the adapter that it starts from, and with the tokens that it names', async () => {
    cpSync(join(goldenFolder, 'start'), join(folder, 'named'), { recursive: true });
    const template = "{% for m in messages %}{{ m.role + ': ' + m.content + eos_token }}{% endfor %}";
    const naming = { chat_template: template, eos_token: '<|im_start|>' };
    writeFileSync(join(folder, 'named/tokenizer_config.json'), JSON.stringify(naming));
    await train(['lora.json', 'init_from=named', 'training.max_steps=2', 'output_dir=further'], place);
    const saved = readFileSync(join(folder, 'further/adapter/chat_template.jinja'), 'utf8');
    expect(saved).toBe(`{% set eos_token = "<|im_start|>" %}${template}`);
    const shown = await attune(['data', 'preview', 'lora.json', 'init_from=named', '--rows', '8'], place);
    expect(shown.stdout).toContain('I am the assistant.<|im_start|>');
  });

  it('a base in 8 bits learns nearly the same', async () => {
    const words = ['lora.json', '~init_from', 'method.base_precision=int8', 'output_dir=rounded'];
    await train(words, place);
    await train(['lora.json', '~init_from', 'output_dir=exact'], place);
    const [rounded, exact] = [lossesOf('rounded'), lossesOf('exact')];
    expect(difference(rounded, exact)).toBeLessThan(0.02);
    expect(rounded).not.toEqual(exact);
  });

  it('run.json says how conversations were written, and the folder opens without a network', () => {
    const record = readJson<{
      chat: Record<string, unknown>;
      before: { loss: number };
      labels: string[];
      stop_rate: number;
    }>(folder, 'full-', 'run.json');
    expect(record.chat).toMatchObject({ template: expect.stringContaining('chat_template.jinja'), unknown_ends: [] });
    expect(record.chat['learned_tokens']).toBe(
      (golden.rows as { labels: number[] }[]).flatMap(({ labels }) => labels).filter((id) => id >= 0).length,
    );
    expect(Math.abs(record.before.loss - golden.full.loss[0]!)).toBeLessThan(1e-3);
    const { chat } = record;
    const manifest = readJson<Record<string, object>>(folder, 'lora-', 'adapter/attune.json');
    const fields = [record, chat, manifest, manifest['base']!, manifest['chat']!].flatMap(Object.keys);
    expect(unexplained(fields)).toEqual([]);
    const page = readFileSync(join(folder, 'full-', 'report.html'), 'utf8');
    expect(page).toContain('Perplexity on 8 validation rows');
    expect(page).toMatch(/of 8 answers ended by themselves within 48 tokens/);
    expect(page).toMatch(/<th>in the data<\/th><td class="text">I am the assistant\.<\/td>/);
    const reasons = readLines<Line>(folder, 'full-', 'predictions.jsonl').map(({ finish_reason: reason }) => reason);
    expect(reasons).toHaveLength(8);
    expect(record.stop_rate).toBe(reasons.filter((reason) => reason === 'stop').length / 8);
    for (const saved of ['full-/model', 'lora-/adapter']) {
      const template = readFileSync(join(folder, saved, 'chat_template.jinja'), 'utf8');
      expect(template).toBe(readFileSync(join(goldenFolder, 'model/chat_template.jinja'), 'utf8'));
    }
  });

  it('predictions.jsonl has the answer to each row, the one that generate gives, and the loss of each row', async () => {
    const { rows, metrics, predictions } = readJson<RunJson>(folder, 'full-', 'run.json');
    const lines = readLines<Line>(folder, 'full-', 'predictions.jsonl');
    expect(predictions).toEqual({ rows: rows.validation, answered: 8, max_new_tokens: 48 });
    expect(lines.map(({ where }) => where)).toEqual(lines.map((_, i) => `train.jsonl:${i + 1}`));
    expect(lines).toHaveLength(8);
    expect(lines[0]).toMatchObject({ turn: 1, expected: 'I am the assistant.' });
    const words = lines.slice(0, 3).flatMap(({ prompt }) => ['--prompt', prompt!]);
    const said = await attune(['generate', 'full-', '--raw', ...words, '--max-new-tokens', '48', '--json'], place);
    const expected = lines
      .slice(0, 3)
      .map(({ prediction: text, finish_reason, tokens }) => ({ text, finish_reason, tokens }));
    expect(linesOf(said.stdout)).toEqual(expected);
    const learned = lines.reduce((sum, line) => sum + line.learned_tokens, 0);
    const total = lines.reduce((sum, line) => sum + line.loss * line.learned_tokens, 0);
    expect(total / learned).toBeCloseTo(metrics['loss']!, 5);
    writeRows(folder, 'alone.jsonl', [readLines<object>(folder, 'train.jsonl')[2]!]);
    const alone = objectOf<RunJson>(await attune(['eval', 'full-', '--data', 'alone.jsonl', '--json'], place));
    expect(lines[2]!.loss).toBeCloseTo(alone.metrics['loss']!, 5);
  });

  it.each(['full-', 'lora-'])('eval finds the figures of %s again', async (run) => {
    const own = objectOf<{ metrics: Record<string, number>; examples: number }>(
      await attune(['eval', run, '--json'], place),
    );
    const { metrics } = readJson<{ metrics: Record<string, number> }>(folder, run, 'run.json');
    expect(own.metrics['loss']).toBeCloseTo(metrics['loss']!, 5);
    const saved = run === 'full-' ? 'full-/model' : 'lora-/adapter';
    const given = await attune(['eval', saved, '--data', 'train.jsonl', '--json'], place);
    expect(objectOf<{ metrics: Record<string, number> }>(given).metrics['loss']).toBeCloseTo(metrics['loss']!, 5);
  });
});

describe('prompts that are too long to be asked', () => {
  it('are told, where all of them are', async () => {
    const [user, assistant] = ['user', 'assistant'];
    const long = Array.from({ length: 3 }, (_, i) => ({
      messages: [
        { role: user, content: `${i} ${'the weather '.repeat(150)}` },
        { role: assistant, content: 'cold' },
      ],
    }));
    writeRows(folder, 'long.jsonl', long);
    cpSync(join(goldenFolder, 'model'), join(folder, 'roomy'), { recursive: true });
    const config = readJson(folder, 'roomy/config.json');
    writeFileSync(join(folder, 'roomy/config.json'), JSON.stringify({ ...config, max_position_embeddings: 2048 }));
    const data = ['data.train=long.jsonl', 'data.validation=long.jsonl', 'data.max_length=2048'];
    const words = ['full.json', 'model=roomy', ...data, 'max_steps=1', 'evaluation.eval_steps=1', 'output_dir=unasked'];
    const { code, stderr } = await attune(['train', ...words], place);
    expect(code, stderr).toBe(0);
    const told = 'ow often answers end is not known: the prompts of all rows have more than 256 tokens';
    expect(stderr).toContain(`h${told}`);
    expect(readJson(folder, 'unasked', 'run.json')).toMatchObject({ stop_rate: null, predictions: { answered: 0 } });
    expect(readFileSync(join(folder, 'unasked', 'report.html'), 'utf8')).toContain(`H${told}`);
  });
});

const python = process.env.ATTUNE_TEST_PYTHON;
if (!python) console.warn('SKIPPED: saved language models in Transformers and PEFT (set ATTUNE_TEST_PYTHON)');

describe.skipIf(!python)('Transformers and PEFT', () => {
  it.each([
    ['full-/model', '-'],
    ['lora-/adapter', join(goldenFolder, 'model')],
  ])('open %s with every tensor, the same loss and the same template', (saved, base) => {
    const chats = [
      [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello' },
      ],
    ];
    writeFileSync(join(folder, 'rows.json'), JSON.stringify({ rows: golden.rows, chats }));
    const opener = join(import.meta.dirname, '../../tools/golden/open_causal.py');
    const words = [opener, join(folder, saved), base, join(folder, 'rows.json')];
    const found = JSON.parse(execFileSync(python!, words, { encoding: 'utf8' }));
    const { metrics } = readJson<{ metrics: Record<string, number> }>(folder, saved.split('/')[0]!, 'run.json');
    expect(found).toMatchObject({
      loading: [],
      texts: ['<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n'],
    });
    expect(Math.abs(found.loss - metrics['loss']!)).toBeLessThan(1e-4);
  });
});

describe('plain texts', () => {
  const texts = Array.from({ length: 24 }, (_, i) => ({
    text: `The weather in Oslo is cold on day ${i}, and the answer is ${i * i}. `.repeat(3),
  }));

  it('try the longest rows before the first step', async () => {
    writeRows(folder, 'uneven.jsonl', [...texts, { text: 'the answer '.repeat(60) }]);
    const words = [
      'full.json',
      'task=causal-lm',
      'data.train=uneven.jsonl',
      'data.validation=uneven.jsonl',
      'max_steps=1',
      'output_dir=uneven',
    ];
    const { stderr } = await attune(
      ['train', ...words, 'per_device_train_batch_size=1', 'evaluation.eval_steps=1'],
      place,
    );
    expect(stderr).toContain('the longest rows fit: 123 tokens at once, ');
  });

  it('learn, in blocks, from a share that is not held back', async () => {
    writeRows(folder, 'texts.jsonl', texts);
    const data = { train: 'texts.jsonl', max_length: 32 };
    const training = { num_train_epochs: 3, learning_rate: 1e-2 };
    writeRecipe(
      folder,
      { ...recipe, task: 'causal-lm', data, training, evaluation: {}, output_dir: 'texts' },
      'texts.json',
    );
    const { metrics, before, rows } = await train(['texts.json'], place);
    expect(rows.validation).toBeGreaterThan(2);
    expect(rows.train).toBeGreaterThan(24);
    expect(metrics['loss']!).toBeLessThan(before['loss']! - 1);
    const again = objectOf<{ metrics: Record<string, number>; examples: number }>(
      await attune(['eval', 'texts', '--json'], place),
    );
    expect([again.examples, again.metrics['loss']!.toFixed(4)]).toEqual([rows.validation, metrics['loss']!.toFixed(4)]);
    // A text that became several rows has a line for each of them.
    const lines = readLines<Line>(folder, 'texts', 'predictions.jsonl');
    expect(lines).toHaveLength(rows.validation);
    const [{ where }] = lines as [Line];
    const parts = lines.filter((line) => line.where === where);
    expect(parts.length).toBeGreaterThan(1);
    const whole = texts[Number(/^texts\.jsonl:(\d+)$/.exec(where)![1]) - 1]!.text;
    for (const { text } of parts) expect(whole).toContain(text!.trim());
    const learned = lines.reduce((sum, line) => sum + line.learned_tokens, 0);
    const total = lines.reduce((sum, line) => sum + line.loss * line.learned_tokens, 0);
    expect(total / learned).toBeCloseTo(metrics['loss']!, 5);
    expect(lines[0]).not.toHaveProperty('prediction');
  });

  it.each(['data.packing=true', 'data.packing=false'])(
    'a run with %s that is killed and resumed ends with the same bits',
    async (word) => {
      const words = ['texts.json', word, 'num_train_epochs=8', 'save_steps=7', 'dropout=0.1'];
      const [whole, broken] = [`${word}-whole`, `${word}-broken`];
      await train([...words, `output_dir=${whole}`], place);
      const started = start(['train', ...words, `output_dir=${broken}`], place);
      expect(await killWhen(started, () => existsSync(join(folder, broken, 'checkpoints/step-14')))).toBe(true);
      await train([...words, `output_dir=${broken}`, '--resume'], place);
      expect(outcomeOf(join(folder, broken))).toEqual(outcomeOf(join(folder, whole)));
    },
  );

  it('a run whose best evaluation lies before the checkpoint that it goes on from has its losses', async () => {
    // What is learned makes texts of another kind less likely from step to step.
    writeRows(folder, 'letters.jsonl', [{ text: 'zq xj wv kz qx jv' }, { text: 'vvq zzk xxj qqw' }]);
    const validation = ['~data.validation_split', 'data.validation=letters.jsonl', 'evaluation.eval_steps=2'];
    const words = [
      'texts.json',
      ...validation,
      'num_train_epochs=4',
      'save_steps=12',
      'save_total_limit=9',
      'output_dir=worse',
    ];
    await train(words, place);
    const whole = outcomeOf(join(folder, 'worse'));
    expect(whole.record['best_step']).toBeLessThan(12);
    expect(whole.predictions.split('\n')).toHaveLength(3);
    brokenAfter(join(folder, 'worse'), 12, join(folder, 'worse-12'));
    await train([...words.slice(0, -1), 'output_dir=worse-12', '--resume'], place);
    expect(outcomeOf(join(folder, 'worse-12'))).toEqual(whole);
  });
});

describe('what is refused, before a folder is made', () => {
  const user = (content: string) => ({ role: 'user', content });
  const answer = (content: string) => ({ role: 'assistant', content });
  const refused = async (rows: readonly object[], ...words: string[]) => {
    writeRows(folder, 'bad.jsonl', rows);
    const finished = await attune(
      [
        'train',
        'full.json',
        'data.train=bad.jsonl',
        '~data.validation',
        '~evaluation',
        'data.validation_split=0',
        ...words,
        'output_dir=bad',
        '--json',
      ],
      place,
    );
    expect([finished.code, existsSync(join(folder, 'bad'))]).toEqual([2, false]);
    const { code, where, problem } = errorOf(finished);
    return `${code} ${where}: ${problem}`;
  };
  const good = { messages: [user('a'), answer('b')] };

  it('a row, with its file and line', async () => {
    expect(await refused([good, { messages: [user('a'), user('b'), answer('c')] }])).toMatch(
      /^CHAT_ORDER bad\.jsonl:2: message 2/,
    );
  });

  it('rows that are cut until nothing is left to learn, unless they may be dropped', async () => {
    const long = { messages: [user('the weather '.repeat(40)), answer('b')] };
    expect(await refused([good, long], 'data.max_length=64')).toMatch(
      /^DATA_NO_LABELS bad\.jsonl:2: of \d+ tokens the first 64/,
    );
    writeRows(folder, 'long.jsonl', [good, good, long]);
    const words = [
      'data.train=long.jsonl',
      '~data.validation',
      '~evaluation',
      'data.validation_split=0',
      'data.max_length=64',
      'data.on_empty_labels=drop',
    ];
    const run = await train(['full.json', ...words, 'max_steps=2', 'output_dir=dropped'], place);
    expect(run.rows).toMatchObject({ train: 2, dropped: 1 });
    expect(readFileSync(join(folder, 'dropped/report.html'), 'utf8')).toContain('1 rows were left out');
  });

  it('answers that are cut before their end are counted: none of them teaches to stop', async () => {
    writeRows(folder, 'cut.jsonl', [{ messages: [user('a'), answer('the weather '.repeat(40))] }]);
    const words = ['data.train=cut.jsonl', '~data.validation', '~evaluation', 'data.validation_split=0'];
    const run = await attune(
      ['train', 'full.json', ...words, 'data.max_length=64', 'max_steps=1', 'output_dir=cut'],
      place,
    );
    expect(run.stderr).toContain('warning 1 answer loses its end at 64 tokens');
    const { chat } = readJson<{ chat: object }>(folder, 'cut/run.json');
    expect(chat).toMatchObject({ end_token_ids: [], lost_ends: 1 });
    expect(readFileSync(join(folder, 'cut/report.html'), 'utf8')).toContain('1 ends of answers were not learned');
  });

  it('a template that never ends an answer, and one that is not there', async () => {
    const endless =
      "{% for m in messages %}{{ m.role + ': ' + m.content }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";
    expect(await refused([good], `data.chat_template=${JSON.stringify(endless)}`)).toMatch(
      /^CHAT_TEMPLATE_END bad\.jsonl:1: message 2/,
    );
    expect(await refused([good], 'data.chat_template=llama3')).toMatch(
      /^CONFIG_INVALID data\.chat_template: there is no template 'llama3'/,
    );
  });

  it('more tokens than the model has places for, and a model that scores no tokens', async () => {
    expect(await refused([good], 'data.max_length=4096')).toMatch(
      /^CONFIG_INVALID data\.max_length: 4096 tokens .* positions for 160/,
    );
    const bert = join(import.meta.dirname, '../golden/bert-tiny/model');
    expect(await refused([good], `model=${bert}`)).toMatch(
      /^MODEL_TASK model of type bert: it has no head that scores the next token/,
    );
  });

  it('settings of other tasks', async () => {
    expect(await refused([good], 'class_weights=balanced')).toMatch(
      /^CONFIG_INVALID argument 'class_weights=balanced': the task sft does not have it/,
    );
    expect(await refused([good], 'metric_for_best_model=accuracy')).toMatch(
      /^CONFIG_INVALID argument 'metric_for_best_model=accuracy': got accuracy/,
    );
    expect(await refused([good], 'data.columns.label=x')).toMatch(
      /^CONFIG_INVALID full\.json:\d+ data\.columns: the task sft reads no 'label'/,
    );
  });
});
