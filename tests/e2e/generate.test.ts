/** What was tuned answers: through the template that it learned, up to the token that it learned to end with. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { assistantFolder, assistantLora, assistantRecipe } from './assistant.ts';
import {
  attune,
  errorOf,
  linesOf,
  objectOf,
  type Problem,
  readJson,
  readLines,
  start,
  temporaryFolder,
  train,
  writeRecipe,
} from './attune.ts';
import { writeRows } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };

interface Answer {
  readonly text: string;
  readonly finish_reason: string;
  readonly tokens: number;
}
const ask = async (target: string, prompt: string, ...words: string[]): Promise<Answer> =>
  objectOf<Answer>(await attune(['generate', target, '--prompt', prompt, ...words, '--json'], place));

beforeAll(async () => {
  writeRecipe(folder, assistantRecipe);
  await train(['recipe.json'], place);
  await train(['recipe.json', ...assistantLora], place);
});

describe('generate', () => {
  it.each(['full', 'full/model', 'lora', 'lora/adapter'])('%s answers as it was taught, and stops', async (target) => {
    expect(await ask(target, 'Who are you?')).toEqual({
      text: 'I am the assistant.',
      finish_reason: 'stop',
      tokens: expect.any(Number),
    });
    expect((await ask(target, '天气怎么样？')).text).toBe('天气很冷。');
  });

  it.each(['full', 'lora'])('what %s knows by heart ends by itself, and the run says so', (run) => {
    expect(readJson(folder, run, 'run.json')['stop_rate']).toBe(1);
    const page = readFileSync(join(folder, run, 'report.html'), 'utf8');
    expect(page).toMatch(/100(\.0)? ?% of 8 answers ended by themselves/);
  });

  it('ends after so many tokens, and before a text that ends it', async () => {
    expect(await ask('full', 'Who are you?', '--max-new-tokens', '2')).toMatchObject({
      finish_reason: 'length',
      tokens: 2,
    });
    expect(await ask('full', 'Who are you?', '--stop', ' assist')).toMatchObject({
      text: 'I am the',
      finish_reason: 'stop',
    });
  });

  it('ends at a special token that is named as a text to end at', async () => {
    // Token 382 is <|im_start|>, which no text holds.
    const words = ['Who are you?', '--logit-bias', '382=1000', '--max-new-tokens', '4'];
    const [prompt, ...biased] = words;
    expect(await ask('full', prompt!, ...biased)).toMatchObject({ finish_reason: 'length', tokens: 4 });
    const ended = { text: '', finish_reason: 'stop', tokens: 0 };
    for (const several of [[], ['--n', '2']]) {
      const all = ['generate', 'full', '--prompt', ...words, '--stop', '.', '--stop', '<|im_start|>', ...several];
      for (const answer of linesOf<Answer>((await attune([...all, '--json'], place)).stdout))
        expect(answer).toEqual(ended);
    }
  });

  it('goes on from a text as it stands with --raw, and takes a system message', async () => {
    const written = '<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\nI am';
    expect((await ask('full', written, '--raw')).text).toBe(' the assistant.');
    expect((await ask('full', '你好', '--system', 'Answer in one sentence.')).text).toBe('你好，我是助手。');
  });

  it('draws the same with the same seed; each prompt is a line for programs, and text for people', async () => {
    const drawn = () => ask('full', 'Say two words.', '--temperature', '5', '--seed', '3', '--max-new-tokens', '12');
    expect(await drawn()).toEqual(await drawn());
    const both = ['generate', 'full', '--prompt', 'Say one word.', '--prompt', 'Who are you?'];
    expect((await attune(both, place)).stdout).toBe('Oslo\nI am the assistant.\n');
    expect(linesOf<Answer>((await attune([...both, '--json'], place)).stdout).map(({ text }) => text)).toEqual([
      'Oslo',
      'I am the assistant.',
    ]);
  });

  it('writes several answers, and takes penalties and biases', async () => {
    const drawing = ['full', '--prompt', 'Say two words.', '--temperature', '5', '--max-new-tokens', '12'];
    const three = linesOf<Answer>((await attune(['generate', ...drawing, '--n', '3', '--json'], place)).stdout);
    expect(new Set(three.map(({ text }) => text)).size).toBe(3);
    expect((await attune(['generate', ...drawing, '--n', '3'], place)).stdout.split('\n')).toHaveLength(4);
    const [first] = linesOf<Answer>((await attune(['generate', ...drawing, '--json'], place)).stdout);
    expect(first).toEqual(three[0]);
    const again = linesOf<Answer>(
      (await attune(['generate', ...drawing, '--prompt', 'Say two words.', '--json'], place)).stdout,
    );
    expect(again[0]).toEqual(first);
    expect(again[1]!.text).not.toBe(first!.text);
    // Token 383 ends a turn: without it the answer goes on.
    const endless = await ask('full', 'Who are you?', '--logit-bias', '383=-100', '--max-new-tokens', '20');
    expect(endless).toMatchObject({ finish_reason: 'length', tokens: 20 });
    const penalised = await ask('full', 'Who are you?', '--frequency-penalty', '2', '--presence-penalty', '2');
    expect(penalised.text).toMatch(/^I am/);
  });

  it('reads weights in the form that is asked for', async () => {
    const exact = await ask('full', 'Who are you?');
    expect(await ask('full', 'Who are you?', '--base-precision', 'fp32')).toEqual(exact);
    expect((await ask('full', 'Who are you?', '--base-precision', 'int8')).text).toMatch(/^I am/);
    const words = ['predict', 'full', 'Who are you?', '--base-precision', 'int8', '--json'];
    expect(linesOf<Answer>((await attune(words, place)).stdout)[0]!.text).toMatch(/^I am/);
  });

  it('refuses what cannot be meant', async () => {
    const refused = async (...words: string[]) => errorOf(await attune([...words, '--json'], place)).where;
    expect(await refused('generate', 'full')).toBe('attune generate full');
    expect(await refused('generate', 'full', '--prompt', 'a', '--temperature', '-1')).toBe(
      'attune generate --temperature',
    );
    expect(await refused('generate', 'full', '--prompt', 'a', '--raw', '--system', 's')).toBe('attune generate --raw');
    for (const n of ['0', '1.5', '10000000000'])
      expect(await refused('generate', 'full', '--prompt', 'a', '--n', n), n).toBe('attune generate --n');
    expect(await refused('generate', 'full', '--prompt', 'a', '--logit-bias', 'the=1')).toBe(
      'attune generate --logit-bias',
    );
    expect(await refused('generate', 'full', '--prompt', 'a', '--logit-bias', '99999=1')).toBe('logit_bias');
    expect(await refused('generate', 'full', '--prompt', 'a', '--presence-penalty', '3')).toBe(
      'attune generate --presence-penalty',
    );
    expect(await refused('generate', 'full', '--prompt', 'a', '--base-precision', 'int2')).toBe(
      'attune generate --base-precision',
    );
    const bert = join(import.meta.dirname, '../golden/bert-tiny/model');
    expect(errorOf(await attune(['generate', bert, '--prompt', 'a', '--json'], place)).code).toBe('MODEL_TASK');
  });
});

describe('chat', () => {
  const talk = async (lines: string, ...words: string[]) => {
    const started = start(['chat', 'full', ...words], place);
    started.child.stdin!.end(lines);
    return await started.finished;
  };

  it('remembers what was said, until it is told to begin anew', async () => {
    // The conversation of two turns was learned with this system message.
    const system = ['--system', 'Answer in one sentence.'];
    const said = await talk('你好\n\n去看书吗？\n/reset\n你好\n/exit\nHi\n', ...system, '--json');
    const answers = linesOf<Answer>(said.stdout).map(({ text }) => text);
    expect(answers).toEqual(['你好，我是助手。', '我们一起去看书吧。', '你好，我是助手。']);
    expect((await talk('Who are you?\n')).stdout).toBe('I am the assistant.\n');
  });

  it('takes a line back that is too long, or that makes the conversation so, and goes on', async () => {
    const long = 'the weather '.repeat(100);
    const said = await talk(`${long}\nWho are you?\n${long}\nWho are you?\n/reset\nWho are you?\n`, '--json');
    expect(said.code).toBe(2);
    const lines = linesOf<Partial<Answer> & { error?: Problem }>(said.stdout);
    expect(lines.map(({ error }) => error?.code)).toEqual([
      ...['PROMPT_LENGTH', undefined, 'PROMPT_LENGTH', undefined, undefined],
    ]);
    expect(lines[0]!.error!.fix).toBe('write a shorter line');
    expect(lines[2]!.error!.fix).toContain('begin anew with /reset');
    expect([lines[1]!.text, lines[4]!.text]).toEqual(['I am the assistant.', 'I am the assistant.']);
    const shown = await talk(`${long}\nWho are you?\n`);
    expect([shown.stdout, shown.stderr]).toEqual([
      'I am the assistant.\n',
      expect.stringMatching(/^error the conversation: it has \d+ tokens/),
    ]);
  });

  it('needs a template', async () => {
    cpSync(join(folder, 'full/model'), join(folder, 'bare'), { recursive: true });
    rmSync(join(folder, 'bare/chat_template.jinja'));
    const started = start(['chat', 'bare', '--json'], place);
    started.child.stdin!.end('Hi\n');
    expect(errorOf(await started.finished)).toMatchObject({ code: 'CHAT_TEMPLATE', where: 'bare' });
    const completed = await ask('bare', '<|im_start|>user\nSay one word.<|im_end|>\n<|im_start|>assistant\n');
    expect(completed.text).toBe('Oslo');
  });
});

describe('an adapter of another program, with a template in tokenizer_config.json', () => {
  const template = readFileSync(join(assistantFolder, 'model/chat_template.jinja'), 'utf8');
  const named = [{ name: 'default', template }];

  it.each([
    ['one', template],
    ['several', named],
  ])('is asked through %s, and so is what is made of it', async (name, given) => {
    cpSync(join(assistantFolder, 'model'), join(folder, `${name}-base`), { recursive: true });
    writeFileSync(join(folder, `${name}-base/chat_template.jinja`), '{{ messages[0].content }}<|im_end|>');
    cpSync(join(folder, 'lora/adapter'), join(folder, name), { recursive: true });
    for (const file of ['attune.json', 'chat_template.jinja']) rmSync(join(folder, name, file));
    const config = readJson<object>(folder, name, 'adapter_config.json');
    const changed = { ...config, base_model_name_or_path: `../${name}-base` };
    writeFileSync(join(folder, name, 'adapter_config.json'), JSON.stringify(changed));
    writeFileSync(join(folder, name, 'tokenizer_config.json'), JSON.stringify({ chat_template: given }));
    const merged = ['merge', name, '--output', `${name}-merged`, '--json'];
    const sum = ['merge', `${name}=1`, '--output', `${name}-sum`, '--json'];
    const alone = ['export', name, '--to', 'peft', '--output', `${name}-peft`, '--json'];
    for (const words of [merged, sum, alone]) expect((await attune(words, place)).code).toBe(0);
    for (const target of [name, `${name}-merged`, `${name}-sum`, `${name}-peft`])
      expect(await ask(target, 'Who are you?')).toMatchObject({ text: 'I am the assistant.', finish_reason: 'stop' });
    const { chat_template: written } = readJson<{ chat_template?: unknown }>(
      folder,
      `${name}-merged/tokenizer_config.json`,
    );
    expect(written).toEqual(name === 'several' ? named : undefined);
  });
});

describe('what does not fit', () => {
  it('a template that is not the one that the adapter was trained with', async () => {
    cpSync(join(folder, 'lora/adapter'), join(folder, 'edited'), { recursive: true });
    writeFileSync(join(folder, 'edited/chat_template.jinja'), '{{ messages[0].content }}');
    for (const words of [
      ['generate', 'edited', '--prompt', 'a'],
      ['eval', 'edited', '--data', join(assistantFolder, 'train.jsonl')],
    ]) {
      const { code, where } = errorOf(await attune([...words, '--json'], place));
      expect([code, where]).toEqual(['ADAPTER_MISMATCH', 'edited/chat_template.jinja']);
    }
  });
});

describe('predict', () => {
  const predict = async (...words: string[]): Promise<Answer[]> => {
    const finished = await attune(['predict', ...words, '--json'], place);
    expect(finished.code, `${finished.stdout}\n${finished.stderr}`).toBe(0);
    return linesOf<Answer>(finished.stdout);
  };
  const user = (content: string) => ({ role: 'user', content });
  const answer = (content: string) => ({ role: 'assistant', content });

  it('answers words of the command, one line each', async () => {
    const answers = await predict('lora', 'Who are you?', 'Say one word.');
    expect(answers).toEqual([
      { text: 'I am the assistant.', finish_reason: 'stop', tokens: expect.any(Number) },
      { text: 'Oslo', finish_reason: 'stop', tokens: expect.any(Number) },
    ]);
    const shown = await attune(['predict', 'full', 'Who are you?', 'Say\none word.'], place);
    expect(shown.stdout).toBe('I am the assistant.  Who are you?\nOslo  Say one word.\n');
  });

  it('answers the rows of a file in their order, more than are read at once, whatever their format', async () => {
    const system = { role: 'system', content: 'Answer in one sentence.' };
    const long = [system, user('你好'), answer('你好，我是助手。'), user('去看书吗？'), answer('no')];
    const chats = [{ messages: [user('Who are you?')] }, { messages: long }];
    const texts = ['I am the assistant.', '我们一起去看书吧。'];
    writeRows(folder, 'chats.jsonl', Array.from({ length: 35 }, () => chats).flat());
    const answers = await predict('full', '--input', 'chats.jsonl');
    expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 35 }, () => texts).flat());
    const forms: Record<string, object> = {
      'messages.jsonl': chats[0]!,
      'prompt.jsonl': { prompt: 'Who are you?' },
      'completion.csv': { prompt: 'Who are you?', completion: 'unknown' },
      'alpaca.jsonl': { instruction: 'Who are you?', input: '', output: 'no' },
      'sharegpt.json': { conversations: [{ from: 'human', value: 'Who are you?' }] },
      'text.csv': { text: 'Who are you?' },
    };
    for (const [name, row] of Object.entries(forms)) {
      writeRows(folder, name, [row]);
      expect(
        (await predict('full', '--input', name)).map(({ text }) => text),
        name,
      ).toEqual([texts[0]]);
    }
  });

  it('takes settings, and a system message for conversations without one', async () => {
    expect(await predict('full', 'Who are you?', '--max-new-tokens', '2')).toMatchObject([{ finish_reason: 'length' }]);
    expect(await predict('full', '你好', '--system', 'Answer in one sentence.')).toMatchObject([
      { text: '你好，我是助手。' },
    ]);
    writeRows(
      folder,
      'many.csv',
      Array.from({ length: 70 }, () => ({ text: 'Say two words.' })),
    );
    const drawn = await predict('full', '--input', 'many.csv', '--temperature', '9', '--max-new-tokens', '12');
    expect(new Set(drawn.map(({ text }) => text)).size).toBe(70);
  });

  it('says that it is the template where that writes nothing', async () => {
    cpSync(join(folder, 'full/model'), join(folder, 'silent'), { recursive: true });
    writeFileSync(join(folder, 'silent/chat_template.jinja'), '');
    for (const words of [
      ['predict', 'silent', 'Hi'],
      ['generate', 'silent', '--prompt', 'Hi'],
    ]) {
      const { code, problem, fix } = errorOf(await attune([...words, '--json'], place));
      expect([code, problem]).toEqual(['CHAT_TEMPLATE', 'the chat template writes nothing of it']);
      expect(fix).toMatch(/^mend .*silent\/chat_template\.jinja$/);
    }
  });

  it('goes on from texts where the model knows no conversations', async () => {
    cpSync(join(folder, 'full/model'), join(folder, 'untold'), { recursive: true });
    rmSync(join(folder, 'untold/chat_template.jinja'));
    const text = '<|im_start|>user\nSay one word.<|im_end|>\n<|im_start|>assistant\n';
    writeRows(folder, 'raw.jsonl', [{ text }]);
    writeRows(folder, 'prompts.jsonl', [{ prompt: text }]);
    for (const words of [[text], ['--input', 'raw.jsonl'], ['--input', 'prompts.jsonl']]) {
      expect(await predict('untold', ...words)).toMatchObject([{ text: 'Oslo' }]);
    }
  });

  it('names every row that cannot be asked, before weights are opened', async () => {
    cpSync(join(folder, 'full/model'), join(folder, 'weightless'), { recursive: true });
    writeFileSync(join(folder, 'weightless/model.safetensors'), 'nothing');
    const refused = async (rows: object[], ...words: string[]) => {
      writeRows(folder, 'asked.jsonl', rows);
      const finished = await attune(['predict', 'weightless', '--input', 'asked.jsonl', ...words], place);
      expect(finished.code).toBe(2);
      return finished.stderr;
    };
    const long = user('the weather '.repeat(200));
    const told = await refused([{ messages: [user('a')] }, { messages: [long] }, { messages: [long] }]);
    expect(told).toMatch(/asked\.jsonl:2: it has \d+ tokens, and the model has positions for 160/);
    expect(told).toContain('asked.jsonl:3: it has');
    expect(await refused([{ messages: [user('a'), user('b')] }])).toContain('asked.jsonl:1: message 2');
    expect(await refused([{ question: 'a' }])).toContain('no format has these columns: question');
    const unknown = ['weightless', '--logit-bias', '99999=1', '--json'];
    const prompted = await attune(['generate', ...unknown, '--prompt', 'a'], place);
    const worded = await attune(['predict', ...unknown, 'a'], place);
    for (const finished of [prompted, worded]) expect(errorOf(finished).where).toBe('logit_bias');
    const strict = "{% if messages[0].role == 'system' %}{{ raise_exception('no system messages') }}{% endif %}";
    writeFileSync(join(folder, 'weightless/chat_template.jinja'), strict);
    expect(await refused([{ prompt: 'a' }], '--system', 's')).toContain(
      'asked.jsonl:1: the chat template refuses it: no system messages',
    );
  });

  it('of a classifier takes no settings of texts', async () => {
    const bert = join(import.meta.dirname, '../golden/bert-tiny/model');
    const { code, where } = errorOf(await attune(['predict', bert, 'a', '--temperature', '1', '--json'], place));
    expect([code, where]).toEqual(['USAGE', 'attune predict --temperature']);
  });
});

describe('what leaves', () => {
  it('a merged model answers as the adapter did, and keeps its template', async () => {
    const merged = objectOf<{ max_logit_difference: number }>(
      await attune(['merge', 'lora', '--output', 'merged', '--json'], place),
    );
    expect(merged).toMatchObject({ max_logit_difference: expect.any(Number) });
    expect(await ask('merged', 'Who are you?')).toMatchObject({ text: 'I am the assistant.', finish_reason: 'stop' });
  });

  it('an adapter alone, with its template', async () => {
    expect((await attune(['export', 'lora', '--to', 'peft', '--output', 'peft'], place)).code).toBe(0);
    expect((await ask('peft', 'Who are you?')).text).toBe('I am the assistant.');
    expect(readFileSync(join(folder, 'peft/chat_template.jinja'), 'utf8')).toContain('im_start');
  });
});

describe('calls of tools', () => {
  const asking = (city: string) => ({
    messages: [
      { role: 'user', content: city },
      { role: 'assistant', tool_calls: [{ function: { name: 'weather', arguments: { city } } }] },
    ],
  });

  it('are learned and scored: name and arguments', async () => {
    writeRows(folder, 'calls.jsonl', [asking('Oslo'), asking('today')]);
    writeRows(folder, 'other.jsonl', [asking('Oslo'), asking('cold')]);
    const words = [
      'data.train=calls.jsonl',
      '~data.validation_split',
      'data.validation=calls.jsonl',
      'data.chat_template=chatml',
      'data.max_length=160',
      // One evaluation, at the end.
      'eval_steps=80',
    ];
    const { metrics, before } = await train(
      ['recipe.json', ...words, 'num_train_epochs=80', 'output_dir=calls'],
      place,
    );
    expect([metrics['tool_call_accuracy'], before['tool_call_accuracy']]).toEqual([1, undefined]);
    const call = { name: 'weather', arguments: { city: 'Oslo' } };
    expect(readLines(folder, 'calls', 'predictions.jsonl')[0]).toMatchObject({
      where: 'calls.jsonl:1',
      finish_reason: 'stop',
      tool_calls: { expected: [call], predicted: [call], correct: true },
    });
    const evaluate = async (data: string) =>
      objectOf<{ metrics: Record<string, number> }>(await attune(['eval', 'calls', '--data', data, '--json'], place))
        .metrics;
    expect((await evaluate('calls.jsonl'))['tool_call_accuracy']).toBe(1);
    expect((await evaluate('other.jsonl'))['tool_call_accuracy']).toBe(0.5);
  });

  it('are not scored where the template writes them in a form of its own, and that is told', async () => {
    writeRows(folder, 'own.jsonl', [asking('Oslo'), asking('today')]);
    const own =
      "{% for m in messages %}{{ m.role + ':\n' + m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name + ' of ' + c.function.arguments.city }}{% endfor %}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:\n' }}{% endif %}";
    const words = ['data.train=own.jsonl', '~data.validation_split', 'data.validation=own.jsonl', 'max_steps=1'];
    const run = await attune(
      ['train', 'recipe.json', ...words, `data.chat_template=${JSON.stringify(own)}`, 'output_dir=own'],
      place,
    );
    expect(run.stderr).toContain('tool_call_accuracy is left out');
    expect(run.code).toBe(0);
  });
});

describe('an end that the base does not know', () => {
  it('is saved with the model, and told', async () => {
    cpSync(join(assistantFolder, 'model'), join(folder, 'other'), { recursive: true });
    const edit = (name: string, change: (fields: Record<string, unknown>) => void) => {
      const path = join(folder, 'other', name);
      const fields = JSON.parse(readFileSync(path, 'utf8'));
      change(fields);
      writeFileSync(path, JSON.stringify(fields));
    };
    const other = (fields: Record<string, unknown>) => Object.assign(fields, { eos_token_id: 380 });
    edit('config.json', other);
    edit('generation_config.json', other);
    edit('tokenizer_config.json', (fields) => Object.assign(fields, { eos_token: '<|endoftext|>' }));
    const { stderr } = await attune(['train', 'recipe.json', 'model=other', 'output_dir=told'], place);
    expect(stderr).toContain(
      'warning answers end with <|im_end|>, which generation_config.json does not name as an end',
    );
    expect(JSON.parse(readFileSync(join(folder, 'told/model/generation_config.json'), 'utf8')).eos_token_id).toEqual([
      380, 383,
    ]);
    expect(await ask('told', 'Who are you?')).toMatchObject({ text: 'I am the assistant.', finish_reason: 'stop' });
  });
});
