/** What methods add is there for every token that is read, whether at once or piece by piece. */
import { expect, test } from 'vitest';
import {
  type Completion,
  generate,
  openDecoder as openReader,
  streamTokens,
} from '../../src/inference/generation/index.ts';
import { attachMethod, type MethodName } from '../../src/methods/index.ts';
import { logitsOf, openDecoder, plainBatch } from '../golden/decoderModels.ts';
import { relativeError, runtime } from '../golden/fixtures.ts';
import { everyMethod } from './everyMethod.ts';

const ids = [5, 17, 8, 30, 12, 9];

async function open(name: MethodName, family = 'llama', changes: object = {}) {
  const method = everyMethod[name];
  const opened = await openDecoder(family, { method, changes });
  const { description, memory } = opened;
  for (const { parameter, arrays } of memory.trained.values()) {
    if (parameter.added) arrays.weight.set(arrays.weight.map((value, i) => value + Math.sin(i) / 10));
  }
  const methods = [attachMethod(method, description.architecture)];
  return { ...opened, decoder: await openReader(description, { memory, methods, open: runtime.open, threads: 1 }) };
}

const reader = async (...opening: Parameters<typeof open>) => (await open(...opening)).decoder;

const tokens = (from: number, count: number) => ({
  positions: Int32Array.from({ length: count }, (_, i) => from + i),
  texts: new Int32Array(count).fill(1),
});

const read = ['lora', 'dora', 'ia3', 'adapter', 'prefix_tuning', 'prompt_tuning', 'p_tuning'] as const;

test.each(read)('%s: a cache changes nothing', async (name) => {
  await using decoder = await reader(name);
  const whole = await decoder.read(decoder.openCache(1), Int32Array.from(ids), tokens(0, 6));
  const cache = decoder.openCache(1);
  await decoder.read(cache, Int32Array.from(ids.slice(0, 4)), tokens(0, 4));
  const last = await decoder.read(cache, Int32Array.from(ids.slice(4)), tokens(4, 2));
  expect(relativeError(last, whole)).toBeLessThan(1e-5);
});

const beforeTexts = ['prefix_tuning', 'prompt_tuning', 'p_tuning'] as const;
/** The last two see a few tokens back, and no further. */
const families = ['llama', 'gpt2', 'mistral', 'gemma3_text'];
const pairs = families.flatMap((family) => beforeTexts.map((name) => [family, name] as const));

test.each(pairs)('%s, %s: texts of a batch are those of the program that trains', async (family, name) => {
  const { decoder, ...opened } = await open(name, family);
  await using _ = decoder;
  const inputIds = [ids, ids.slice(3, 5)];
  const made = await generate(decoder, { inputIds }, { max_new_tokens: 6 });
  await expectAsTrained(opened, inputIds, made);
});

type Opened = Parameters<typeof logitsOf>[0];

/** Each token is the likeliest after those before it, in the program that reads all of them at once. */
async function expectAsTrained(opened: Opened, prompts: readonly number[][], made: readonly Completion[]) {
  for (const { prompt: row, tokens } of made) {
    const prompt = prompts[row]!;
    const text = [...prompt, ...tokens];
    const logits = await logitsOf(opened, plainBatch([{ input_ids: text, labels: text }]).feeds);
    const likeliest = tokens.map((_, i) => {
      const scores = logits.slice((prompt.length - 1 + i) * 64, (prompt.length + i) * 64);
      return scores.indexOf(Math.max(...scores));
    });
    expect(tokens).toEqual(likeliest);
  }
}

test.each(beforeTexts)('%s: a prompt that is read in pieces, beside a short one, twice each', async (name) => {
  const { decoder, ...opened } = await open(name, 'mistral', { max_position_embeddings: 1000 });
  await using _ = decoder;
  const long = Array.from({ length: 600 }, (_, i) => 3 + ((i * 7) % 61));
  const request = { inputIds: [[5, 9], long] };
  const made = await generate(decoder, request, { max_new_tokens: 3, n: 2 });
  expect(made.map(({ prompt }) => prompt)).toEqual([0, 0, 1, 1]);
  await expectAsTrained(opened, request.inputIds, made);
  const streamed: (number | undefined)[] = [];
  for await (const { prompt, token } of streamTokens(decoder, request, { max_new_tokens: 3 }))
    if (prompt === 1) streamed.push(token);
  expect(streamed).toEqual(made[2]!.tokens);
});

test.each(pairs)('%s, %s: scores of a cache are those of the program that trains', async (family, name) => {
  const { decoder, ...opened } = await open(name, family);
  await using _ = decoder;
  const logits = await logitsOf(opened, plainBatch([{ input_ids: ids, labels: ids }]).feeds);
  const cache = decoder.openCache(1);
  for (const [i, id] of ids.entries()) {
    const scores = await decoder.read(cache, Int32Array.of(id), tokens(i, 1));
    expect(relativeError(scores, logits.slice(i * 64, (i + 1) * 64))).toBeLessThan(1e-5);
  }
});

test.each(beforeTexts)('%s: its positions are not left for the text', async (name) => {
  const { decoder } = await open(name, 'gpt2');
  await using _ = decoder;
  expect(decoder.longest).toBe(32 - 3);
  const [made] = await generate(decoder, { inputIds: [ids] }, { max_new_tokens: 100 });
  expect(made).toMatchObject({ finishReason: 'length', tokens: { length: 32 - 3 - ids.length } });
  await expect(generate(decoder, { inputIds: [new Array<number>(29).fill(5)] })).rejects.toMatchObject({
    code: 'PROMPT_LENGTH',
  });
});
