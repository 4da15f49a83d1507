/** Conversations, templates and checkpoints of language models that are broken: each is named, and no folder is made. */
import { cpSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tinyModel as tinyGguf } from '../golden/ggufTokenizer.ts';
import { attune, objectOf, temporaryFolder, writeRecipe } from './attune.ts';
import { expectRefusal, type Refusal } from './refusals.ts';
import { writeRows } from './reviews.ts';

const golden = join(import.meta.dirname, '../golden/sft');
const user = (content: string) => ({ role: 'user', content });
const answer = (content: string, more: object = {}) => ({ role: 'assistant', content, ...more });
const tools = [{ name: 'weather', parameters: {} }];
const calling = answer('', { tool_calls: [{ function: { name: 'weather', arguments: { city: 'Oslo' } } }] });
const result = { role: 'tool', content: 'cold' };

const partName = (part: number) => `model-0000${part}-of-00002.safetensors`;

/** A good model and good conversations; each case breaks one thing. */
function goodFolder(): string {
  const folder = temporaryFolder();
  cpSync(join(golden, 'model'), join(folder, 'broken'), { recursive: true });
  cpSync(join(golden, 'train.jsonl'), join(folder, 'chat.jsonl'));
  const data = { train: 'chat.jsonl', validation_split: 0, max_length: 128 };
  const training = { max_steps: 1, per_device_train_batch_size: 8 };
  writeRecipe(folder, { model: 'broken', task: 'sft', data, training, threads: 1, output_dir: 'run' });
  return folder;
}

const trainWords = ['train', 'recipe.json'];
const asking = (...words: string[]) => ['generate', 'broken', ...words];
type Make = Refusal['make'];
const changed =
  (name: string, content: (old: string) => string, words = trainWords): Make =>
  (folder) => {
    const path = join(folder, 'broken', name);
    writeFileSync(path, content(readFileSync(path, 'utf8')));
    return words;
  };
const template = (text: string, words?: string[]): Make => changed('chat_template.jinja', () => text, words);
const config = (fields: object): Make =>
  changed('config.json', (old) => JSON.stringify({ ...(JSON.parse(old) as object), ...fields }));
const rows =
  (bad: object, from: Make = () => trainWords): Make =>
  (folder) => {
    writeRows(folder, 'chat.jsonl', [{ messages: [user('a'), answer('b')] }, bad]);
    return from(folder);
  };
const refused = (cases: readonly (readonly [name: string, make: Make, ...says: string[]])[]): void => {
  for (const [name, make, code, where, problem, fix] of cases) {
    const says = { code: code!, where: where!, problem: problem!, fix: fix! };
    it(name, () => expectRefusal({ name, make, says }, goodFolder()));
  }
};

it('without a fault the run below is made', async () => {
  const run = await attune([...trainWords, '--json'], { cwd: goodFolder() });
  expect(run.code, run.stderr).toBe(0);
});

describe('conversations', () => {
  const bad: readonly (readonly [code: string, row: object, problem: string, fix: string])[] = [
    ['CHAT_ORDER', { messages: [user('a'), user('b'), answer('c')] }, "message 2 is the user's", 'assistant'],
    ['CHAT_ORDER', { messages: [user('a'), { role: 'system', content: 's' }, answer('b')] }, 'message 2', 'first'],
    ['CHAT_ORDER', { messages: [answer('a'), user('b')] }, "message 1 is the assistant's", ''],
    ['CHAT_ORDER', { messages: [user('a'), answer('b'), user('c')] }, 'ends with a turn of the user', 'remove'],
    ['CHAT_CONTENT', { messages: [user('a'), answer('')] }, 'message 2 (assistant) is empty', ''],
    ['CHAT_CONTENT', { messages: [user('a'), answer(' \n')] }, 'message 2 (assistant) is empty', ''],
    ['CHAT_ROLE_UNKNOWN', { messages: [{ role: 'usr', content: 'a' }, answer('b')] }, '"usr"', "did you mean 'user'"],
    [
      'CHAT_TOOL_RESULTS',
      { messages: [user('a'), calling, user('b'), answer('c')], tools },
      'of weather that has',
      'tool',
    ],
    ['CHAT_TOOL_RESULTS', { messages: [user('a'), result, answer('b')], tools }, 'no tool was called', 'that calls'],
    ['CHAT_TOOLS', { messages: [user('a'), calling], tools: [{ name: 'clock' }] }, 'weather', 'clock'],
  ];

  it('data check names all of them at once, each with its line', async () => {
    const folder = goodFolder();
    const lines = bad.map(([, row]) => row);
    writeRows(folder, 'bad.jsonl', lines);
    const checked = await attune(['data', 'check', 'bad.jsonl', '--task', 'sft', '--json'], { cwd: folder });
    expect(checked.code).toBe(2);
    const { files } = objectOf<{ files: { problems: object[] }[] }>(checked);
    const told = bad.map(([code, , problem, fix], i) => ({
      code,
      where: `bad.jsonl:${i + 1}`,
      problem: expect.stringContaining(problem),
      fix: expect.stringContaining(fix),
    }));
    expect(files[0]!.problems).toEqual(told.map((one) => expect.objectContaining(one)));
  });

  const messages = [user('a'), user('b'), answer('c')];
  refused([
    ['train stops at the first', rows({ messages }), 'CHAT_ORDER', 'chat.jsonl:2', "message 2 is the user's", ''],
  ]);
});

describe('templates', () => {
  const each = (words: string) => `{% for m in messages %}${words}{% endfor %}`;
  const ended = "{{ m.role + ': ' + m.content + '<|im_end|>' }}";
  const called = rows({ messages: [user('a'), calling, result, answer('b')], tools }, template(each(ended)));
  const thought = rows({ messages: [user('a'), answer('b', { reasoning_content: 'hm' })] }, template(each(ended)));
  const writesTools = template(`{{ tools | tojson if tools }}${each(ended)}`);
  const [file, mend] = ['broken/chat_template.jinja', 'data.chat_template'];
  refused([
    ['not closed', template('{% for m in messages %}x'), 'CHAT_TEMPLATE', file, 'ends inside a block', mend],
    ['cut in a tag', template('{% for m in'), 'CHAT_TEMPLATE', file, 'cannot be read', mend],
    ['an unknown filter', template(each('{{ m.content | shout }}')), 'CHAT_TEMPLATE', 'jsonl:1', 'shout', mend],
    ['an unknown function', template(each('{{ shout(m) }}')), 'CHAT_TEMPLATE', 'jsonl:1', 'not a function', mend],
    ['refuses', template("{{ raise_exception('no') }}"), 'CHAT_TEMPLATE', 'chat.jsonl:1', 'no', mend],
    ['writes nothing', template(''), 'CHAT_TEMPLATE', 'jsonl:1', 'not write what message 1 (user) says', mend],
    ['never ends a turn', template(each('{{ m.content }} ')), 'CHAT_TEMPLATE_END', 'jsonl:1', 'message 2', 'eos_token'],
    ['passes over tools', called, 'CHAT_TEMPLATE', 'chat.jsonl:2', 'does not write the tools (weather)', mend],
    [
      'passes over calls',
      rows({ messages: [user('a'), calling] }, writesTools),
      'CHAT_TEMPLATE',
      'l:2',
      'call of w',
      mend,
    ],
    ['passes over thoughts', thought, 'CHAT_TEMPLATE', 'chat.jsonl:2', 'reasoning_content', mend],
    [
      'refuses a question',
      template("{{ raise_exception('no questions') }}", asking('--prompt', 'a')),
      'CHAT_TEMPLATE',
      'prompt',
      'no questions',
      'broken/chat_template.jinja',
    ],
  ]);
});

describe('config.json and weights', () => {
  const keys = { model_type: 'qwen3' };
  const cut: Make = (folder) => {
    truncateSync(join(folder, 'broken/model.safetensors'), 20_000);
    return trainWords;
  };
  const noNumber =
    (words: readonly string[]): Make =>
    (folder) => {
      const path = join(folder, 'broken/model.safetensors');
      const bytes = readFileSync(path);
      bytes.writeFloatLE(Number.NaN, bytes.length - 4);
      writeFileSync(path, bytes);
      return words;
    };
  const [asked, bad] = [noNumber(asking('--prompt', 'a')), 'WEIGHTS_NOT_FINITE'];
  refused([
    ['no number, in training', noNumber(trainWords), bad, 'broken', 'NaN', 'again'],
    ['no number, in answers', asked, bad, "broken 'model.", 'not finite', 'again'],
    ['more layers', config({ num_hidden_layers: 3 }), 'MODEL_WEIGHTS', 'broken', 'layers.2', 'config.json'],
    ['fewer layers', config({ num_hidden_layers: 1 }), 'MODEL_WEIGHTS', 'broken', 'layers.1', 'config.json'],
    ['another width', config({ hidden_size: 32 }), 'MODEL_WEIGHTS', 'broken', '24', 'config.json'],
    ['other heads', config({ num_key_value_heads: 4 }), 'MODEL_WEIGHTS', 'k_proj', '[12, 24]', 'config.json'],
    ['fewer tokens', config({ vocab_size: 380 }), 'MODEL_TOKENIZER', 'broken', '380', ''],
    ['more tokens', config({ vocab_size: 400 }), 'MODEL_WEIGHTS', 'embed_tokens', '[390, 24]', 'config.json'],
    ['no head', config({ tie_word_embeddings: false }), 'MODEL_WEIGHTS', 'broken', 'lm_head', 'config.json'],
    ['another family', config(keys), 'MODEL_WEIGHTS', 'broken', 'q_norm', 'config.json'],
    ['cut weights', cut, 'SAFETENSORS_CORRUPT', 'broken/model.safetensors', '20000', 'again'],
  ]);
});

describe('weights in parts', () => {
  const [index, first, second] = ['model.safetensors.index.json', partName(1), partName(2)];
  /** All tensors lie in the first part; the index is as it is given. */
  const parts =
    (text: string): Make =>
    (folder) => {
      renameSync(join(folder, 'broken/model.safetensors'), join(folder, 'broken', first));
      writeFileSync(join(folder, 'broken', index), text);
      return trainWords;
    };
  const mapped = (place: string) => parts(JSON.stringify({ weight_map: { 'model.norm.weight': first, x: place } }));
  const again = 'fetch the model again';
  refused([
    ['one is missing', mapped(second), 'MODEL_INCOMPLETE', 'broken', second, again],
    ['one lacks a tensor', mapped(first), 'MODEL_INCOMPLETE', first, "no tensor 'x'", 'complete'],
    ['one lies elsewhere', mapped(`../${first}`), 'MODEL_INCOMPLETE', 'broken', `../${first}`, again],
    ['the index names none', parts('{}'), 'MODEL_INCOMPLETE', 'broken', `${index} (it is damaged)`, again],
    ['the index is no JSON', parts('{'), 'MODEL_INCOMPLETE', 'broken', `${index} (it is damaged)`, again],
  ]);
});

describe('.gguf files', () => {
  const [name, corrupt] = ['blk.0.attn_q.weight', 'GGUF_CORRUPT'];
  const gguf =
    (change: (bytes: Buffer) => Buffer): Make =>
    (folder) => {
      writeFileSync(join(folder, 'tiny.gguf'), change(Buffer.from(tinyGguf())));
      return [...trainWords, 'model=tiny.gguf'];
    };
  /** After the name: the number of axes, their sizes, and the type. */
  const typed = (type: number) =>
    gguf((bytes) => {
      const at = bytes.indexOf(name) + name.length;
      bytes.writeUInt32LE(type, at + 4 + 8 * bytes.readUInt32LE(at));
      return bytes;
    });
  refused([
    ['a form that is not read', typed(16), 'GGUF_UNSUPPORTED', `tiny.gguf '${name}'`, 'IQ2_XXS (16)', 'Q4_K_M'],
    ['a form that is not known', typed(99), 'GGUF_UNSUPPORTED', `tiny.gguf '${name}'`, 'unknown (99)', 'Q4_K_M'],
    ['cut in a tensor', gguf((bytes) => bytes.subarray(0, -100)), corrupt, 'tiny.gguf', 'ends at', 'again'],
    ['cut in its header', gguf((bytes) => bytes.subarray(0, 900)), corrupt, 'tiny.gguf', 'claims', 'again'],
    ['no .gguf file', gguf(() => Buffer.from('PK, a zip file, surely')), corrupt, 'tiny.gguf', 'begins', 'again'],
  ]);
});

describe('more tokens than the model has places for', () => {
  const long = 'the weather '.repeat(100);
  /** Weights that cannot be opened show that none are. */
  const weightless =
    (...words: string[]): Make =>
    (folder) => {
      writeFileSync(join(folder, 'broken/model.safetensors'), 'nothing');
      writeRows(folder, 'asked.jsonl', [{ prompt: 'a' }, { prompt: long }]);
      return words;
    };
  refused([
    ['in a recipe', () => [...trainWords, 'max_length=161'], 'CONFIG_INVALID', 'max_length', '160', ''],
    ['a question', weightless(...asking('--prompt', long)), 'PROMPT_LENGTH', 'prompt', '160', '159'],
    [
      'a text',
      weightless(...asking('--raw', '--prompt', 'a', '--prompt', long)),
      'PROMPT_LENGTH',
      'prompt 2',
      '160',
      '',
    ],
    ['a row', weightless('predict', 'broken', '--input', 'asked.jsonl'), 'PROMPT_LENGTH', 'asked.jsonl:2', '160', ''],
  ]);

  it('an answer ends at the last place', async () => {
    const words = asking('--prompt', 'a', '--max-new-tokens', '1000', '--logit-bias', '383=-100', '--json');
    const said = await attune(words, { cwd: goodFolder() });
    const { tokens, finish_reason } = objectOf<{ tokens: number; finish_reason: string }>(said);
    expect(finish_reason).toBe('length');
    expect(tokens).toBeGreaterThan(100);
    expect(tokens).toBeLessThan(160);
  });
});
