/** Language models from TypeScript: prompts, conversations, batches, streams, tools, and calls that are broken off. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import { type Answer, type LanguageModel, load, type Model, type Prediction } from '../../src/index.ts';
import { assistantRecipe } from './assistant.ts';
import { temporaryFolder, tinyModel, train, writeRecipe } from './attune.ts';
import { writeRows } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const run = join(folder, 'chat');
const tools = [{ name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } }];
const calling = (city: string) => [
  { role: 'user', content: city },
  { role: 'assistant', tool_calls: [{ function: { name: 'weather', arguments: { city } } }] },
];

/** Room for a call in the few positions of the small model. */
const brief =
  "{% for tool in tools or [] %}{{ tool.function.name }}{% endfor %}{% for message in messages %}<|im_start|>{{ message.role }}\n{% if message.role == 'assistant' %}{% generation %}{{ message.content }}{% for call in message.tool_calls or [] %}{{ call.function | tojson }}{% endfor %}<|im_end|>{% endgeneration %}{% else %}{{ message.content }}<|im_end|>{% endif %}\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

let model: LanguageModel;
beforeAll(async () => {
  writeRecipe(folder, { ...assistantRecipe, output_dir: 'chat' });
  await train(['recipe.json'], place);
  const opened = await load(run);
  if (opened.kind !== 'language-model') throw new Error('it is no language model');
  model = opened;
});
afterAll(() => model.close());

const user = (content: string) => ({ role: 'user', content }) as const;

describe('generate', () => {
  it('answers a prompt as what a user says, and a text as it stands', async () => {
    expect(await model.generate('Who are you?')).toEqual({
      text: 'I am the assistant.',
      finishReason: 'stop',
      tokens: expect.any(Number),
      toolCalls: [],
    });
    const written = '<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\nI am';
    expect((await model.generate(written, { raw: true })).text).toBe(' the assistant.');
    expect((await model.generate('你好', { system: 'Answer in one sentence.' })).text).toBe('你好，我是助手。');
  });

  it('answers many prompts in their order, each as it would alone', async () => {
    const prompts = ['Who are you?', '天气怎么样？', 'Say one word.'];
    const all = await model.generate([...prompts, ...prompts, ...prompts, ...prompts]);
    const alone = await Promise.all(prompts.map((prompt) => model.generate(prompt)));
    expect(all).toEqual([...alone, ...alone, ...alone, ...alone]);
    expect(alone.map(({ text }) => text)).toEqual(['I am the assistant.', '天气很冷。', 'Oslo']);
    expect(await model.generate([])).toEqual([]);
  });

  it('takes the settings of generation', async () => {
    expect(await model.generate('Who are you?', { max_new_tokens: 2 })).toMatchObject({
      finishReason: 'length',
      tokens: 2,
    });
    expect((await model.generate('Who are you?', { stop: ' assist' })).text).toBe('I am the');
    const drawing = { temperature: 5, max_new_tokens: 12, seed: 3 };
    const three = await model.generate('Say two words.', { ...drawing, n: 3 });
    expect(new Set(three.map(({ text }) => text)).size).toBe(3);
    // Draws depend on the place of a prompt among all, and not on who is read beside it.
    const many = await model.generate(new Array<string>(12).fill('Say two words.'), drawing);
    expect(many.slice(0, 3)).toEqual(three);
    expect(new Set(many.map(({ text }) => text)).size).toBe(12);
  });
});

describe('chat', () => {
  it('answers a conversation, or several', async () => {
    const chat = [
      { role: 'system', content: 'Answer in one sentence.' },
      user('你好'),
      { role: 'assistant', content: '你好，我是助手。' },
      user('去看书吗？'),
    ] as const;
    expect((await model.chat(chat)).text).toBe('我们一起去看书吧。');
    const both = await model.chat([chat, [user('Who are you?')]]);
    expect(both.map(({ text }) => text)).toEqual(['我们一起去看书吧。', 'I am the assistant.']);
  });

  it('offers tools, and reads what the model calls', async () => {
    writeRows(
      folder,
      'calls.jsonl',
      ['Oslo', 'today'].map((city) => ({ messages: calling(city), tools })),
    );
    writeFileSync(join(folder, 'calls.jinja'), brief);
    const words = ['data.train=calls.jsonl', 'data.chat_template=calls.jinja', 'output_dir=calls'];
    await train(['recipe.json', ...words, 'num_train_epochs=80'], place);
    await using called = (await load(join(folder, 'calls'))) as LanguageModel;
    const { toolCalls, text } = await called.chat([user('Oslo')], { tools });
    expect(toolCalls).toEqual([{ name: 'weather', arguments: { city: 'Oslo' } }]);
    expect(text).toMatch(/^\{"name"/);
    // None are offered, none are looked for.
    expect((await called.chat([user('Oslo')])).toolCalls).toEqual([]);
    // What came of the call is read by the template; arguments may be JSON text.
    const asked = { function: { name: 'weather', arguments: '{"city": "Oslo"}' } };
    const turns = [user('Oslo'), { role: 'assistant', tool_calls: [asked] }, { role: 'tool', content: '7' }] as const;
    expect((await called.chat(turns, { tools, max_new_tokens: 2 })).tokens).toBeGreaterThan(0);
    await expect(called.chat(turns, { tools: [{ name: 'other' }] })).rejects.toMatchObject({ code: 'CHAT_TOOLS' });
  });
});

describe('stream', () => {
  it('gives the text in pieces, and returns the answer', async () => {
    const pieces: string[] = [];
    const stream = model.stream('天气怎么样？');
    let answer: Answer | undefined;
    while (answer === undefined) {
      const { done, value } = await stream.next();
      if (done) answer = value;
      else pieces.push(value);
    }
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.join('')).toBe('天气很冷。');
    expect(answer).toEqual(await model.generate('天气怎么样？'));
  });

  it('may be left in the middle, and goes on beside other calls', async () => {
    let first = '';
    for await (const piece of model.stream([user('Who are you?')])) {
      first += piece;
      if (first.length > 0) break;
    }
    expect('I am the assistant.'.startsWith(first)).toBe(true);
    const collect = async (prompt: string) => {
      let text = '';
      for await (const piece of model.stream(prompt)) text += piece;
      return text;
    };
    const all = await Promise.all([collect('Who are you?'), collect('Say one word.'), model.generate('天气怎么样？')]);
    expect(all).toMatchObject(['I am the assistant.', 'Oslo', { text: '天气很冷。' }]);
  });
});

describe('calls that end early', () => {
  const endless = { temperature: 5, max_new_tokens: 140, stop: ['no such text'] };

  it('throw what their signal was aborted with', async () => {
    const stop = new AbortController();
    const under = model.generate('Say two words.', { ...endless, signal: stop.signal });
    stop.abort();
    await expect(under).rejects.toBe(stop.signal.reason);
    await expect(model.generate('a', { signal: stop.signal })).rejects.toBe(stop.signal.reason);
    const streaming = async () => {
      const later = new AbortController();
      for await (const _ of model.stream('Say two words.', { ...endless, signal: later.signal })) later.abort();
    };
    await expect(streaming()).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('throw when the model is closed, and nothing reads what was freed', async () => {
    const other = (await load(run)) as LanguageModel;
    const under = other.generate(new Array<string>(20).fill('Say two words.'), endless);
    const stream = other.stream('Who are you?');
    await stream.next();
    const late = other.stream('Who are you?');
    await other.close();
    const closed = { code: 'USAGE', where: run, problem: 'the model is closed' };
    await expect(under).rejects.toMatchObject(closed);
    await expect(stream.next().then(() => stream.next())).rejects.toMatchObject(closed);
    await expect(late.next()).rejects.toMatchObject(closed);
    await expect(other.generate('a')).rejects.toMatchObject(closed);
    await other.close();
  });
});

describe('what cannot be meant', () => {
  const refusal = async (call: Promise<unknown>) => {
    const { code, where, problem } = await call.then(
      () => expect.unreachable(),
      (failure) => failure,
    );
    return `${code} ${where}: ${problem}`;
  };

  it('is an error with its place', async () => {
    expect(await refusal(model.generate('a', { temperature: -1 }))).toBe('CONFIG_INVALID temperature: got -1');
    expect(await refusal(model.generate('a', { temprature: 1 } as object))).toBe(
      'CONFIG_UNKNOWN_KEY temprature: there is no setting `temprature`',
    );
    expect(await refusal(model.generate(' '))).toBe('CHAT_CONTENT prompt: message 1 (user) is empty');
    expect(await refusal(model.chat([[user('a')], [user('a'), user('b')]]))).toMatch(
      /^CHAT_ORDER conversation 2: message 2/,
    );
    expect(await refusal(model.chat([user('a'), { role: 'assistant', content: 'b' }]))).toMatch(
      /^CHAT_ORDER conversation: it ends with a turn of the assistant/,
    );
    expect(await refusal(model.chat([{ role: 'usr' } as never]))).toMatch(/^CHAT_ROLE_UNKNOWN conversation:/);
    expect(await refusal(model.generate(['a', 'the weather '.repeat(200)]))).toMatch(/^PROMPT_LENGTH prompt 2: it has/);
  });

  it('is said by the kind of the model', async () => {
    expect(await refusal(model.predict('a'))).toMatch(/^MODEL_TASK .*: it is a language model/);
    await using classifier = await load(tinyModel);
    expect(classifier.kind).toBe('classifier');
    expect(await refusal(classifier.generate('a'))).toMatch(/^MODEL_TASK .*: it is a classifier/);
    expect(await refusal(classifier.chat([user('a')]))).toMatch(/^MODEL_TASK/);
    expect(await refusal(classifier.stream('a').next())).toMatch(/^MODEL_TASK/);
  });
});

it('types: without asking the kind, a call gives what the model that can do it gives', () => {
  const untold = (opened: Model) => ({
    label: () => opened.predict('a'),
    labels: () => opened.predict(['a']),
    answer: () => opened.generate('a'),
    answers: () => opened.chat([[user('a')]]),
  });
  type Untold = ReturnType<typeof untold>;
  expectTypeOf<Awaited<ReturnType<Untold['label']>>>().toEqualTypeOf<Prediction>();
  expectTypeOf<Awaited<ReturnType<Untold['labels']>>>().toEqualTypeOf<Prediction[]>();
  expectTypeOf<Awaited<ReturnType<Untold['answer']>>>().toEqualTypeOf<Answer>();
  expectTypeOf<Awaited<ReturnType<Untold['answers']>>>().toEqualTypeOf<Answer[]>();
});
