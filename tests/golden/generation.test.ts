/** Generation: greedy tokens against Transformers, the cache against reading all again, batches, seeds, ends. */
import { describe, expect, test } from 'vitest';
import {
  type Decoder,
  type GenerationOptions,
  type GenerationRequest,
  generate,
  openDecoder as openGenerator,
  streamTokens,
} from '../../src/inference/generation/index.ts';
import { families, logitsOf, openDecoder, plainBatch } from './decoderModels.ts';
import { readGolden, runtime } from './fixtures.ts';

interface Greedy {
  readonly prompts: number[][];
  readonly tokens: number[][];
}

async function open(family: string, changes: object = {}) {
  const opened = await openDecoder(family, { changes });
  const generator = await openGenerator(opened.description, { memory: opened.memory, open: runtime.open, threads: 1 });
  return { ...opened, generator };
}

async function texts(family: string, request: Partial<GenerationRequest>, options: GenerationOptions = {}) {
  const { generator } = await open(family);
  await using _ = generator;
  const { greedy } = readGolden(`decoders/${family}/golden.json`) as { greedy: Greedy };
  const settings = { max_new_tokens: 12, ...options };
  return await generate(generator, { inputIds: greedy.prompts, ...request }, settings);
}

describe.each(families)('%s', (family) => {
  const { greedy } = readGolden(`decoders/${family}/golden.json`) as { greedy: Greedy };

  test('the likeliest tokens after prompts of unequal lengths are those of Transformers', async () => {
    const made = await texts(family, {});
    expect(made.map(({ tokens }) => tokens)).toEqual(greedy.tokens);
    expect(made.every(({ finishReason }) => finishReason === 'length')).toBe(true);
  });

  test('with the cache as without it', async () => {
    const opened = await open(family);
    await using _ = opened.generator;
    const [made] = await generate(opened.generator, { inputIds: [greedy.prompts[2]!] }, { max_new_tokens: 8 });
    const ids = [...greedy.prompts[2]!];
    for (const token of made!.tokens) {
      const { feeds } = plainBatch([{ input_ids: ids, labels: ids }]);
      const logits = (await logitsOf(opened, feeds)).slice(-64);
      expect(token).toBe(logits.indexOf(Math.max(...logits)));
      ids.push(token);
    }
  });
});

test.each(['llama', 'mistral'])('%s: a prompt that is read in pieces, beside a short one', async (family) => {
  const opened = await open(family, { max_position_embeddings: 1000 });
  await using _ = opened.generator;
  const long = Array.from({ length: 600 }, (_, i) => 3 + ((i * 7) % 61));
  const made = await generate(opened.generator, { inputIds: [[5, 9], long] }, { max_new_tokens: 3 });
  for (const [row, prompt] of [[5, 9], long].entries()) {
    const ids = [...prompt];
    for (const token of made[row]!.tokens) {
      const logits = (await logitsOf(opened, plainBatch([{ input_ids: ids, labels: ids }]).feeds)).slice(-64);
      expect(token).toBe(logits.indexOf(Math.max(...logits)));
      ids.push(token);
    }
  }
});

describe('drawn tokens', () => {
  const drawing = { temperature: 1.5, top_k: 30, seed: 7 } as const;

  test('are the same for the same seed, and others for another', async () => {
    const first = await texts('llama', {}, drawing);
    expect(await texts('llama', {}, drawing)).toEqual(first);
    expect(await texts('llama', {}, { ...drawing, seed: 8 })).not.toEqual(first);
  });

  test('of a prompt do not depend on those beside it', async () => {
    const { greedy } = readGolden('decoders/llama/golden.json') as { greedy: Greedy };
    const together = await texts('llama', {}, drawing);
    const alone = await texts('llama', { inputIds: greedy.prompts.slice(0, 1) }, drawing);
    expect(alone[0]!.tokens).toEqual(together[0]!.tokens);
  });

  test('come n times for each prompt, each its own', async () => {
    const made = await texts('llama', {}, { ...drawing, n: 3 });
    expect(made.map(({ prompt, sample }) => [prompt, sample])).toEqual(
      [0, 1, 2].flatMap((prompt) => [0, 1, 2].map((sample) => [prompt, sample])),
    );
    expect(new Set(made.map(({ tokens }) => tokens.join())).size).toBe(9);
  });

  test('of many samples are written some at a time, and stay what they are', async () => {
    const { greedy } = readGolden('decoders/llama/golden.json') as { greedy: Greedy };
    const { generator } = await open('llama');
    await using _ = generator;
    const together: number[] = [];
    const counting: Decoder = {
      ...generator,
      read(cache, ...read) {
        together.push(cache.rows);
        return generator.read(cache, ...read);
      },
    };
    const settings = { ...drawing, max_new_tokens: 4 };
    const request = { inputIds: greedy.prompts.slice(0, 1) };
    const many = await generate(counting, request, { ...settings, n: 20 });
    expect(Math.max(...together)).toBe(8);
    expect(many.map(({ sample }) => sample)).toEqual([...Array(20).keys()]);
    expect(new Set(many.map(({ tokens }) => tokens.join())).size).toBeGreaterThan(15);
    const [few, whole] = [await generate(generator, request, { ...settings, n: 3 }), many.slice(0, 3)];
    expect(whole).toEqual(few);
  });

  test('are not so many that they cannot be held', async () => {
    await expect(texts('llama', {}, { n: 10_000_000_000 })).rejects.toThrow(/10000/);
  });
});

describe('a text ends', () => {
  const { greedy } = readGolden('decoders/llama/golden.json') as { greedy: Greedy };

  test('at an end token, which is not part of it; the others go on', async () => {
    const end = greedy.tokens[0]![3]!;
    const made = await texts('llama', { endIds: [end] });
    greedy.tokens.forEach((expected, row) => {
      const at = expected.indexOf(end);
      const { tokens, finishReason } = made[row]!;
      expect(tokens).toEqual(at < 0 ? expected : expected.slice(0, at));
      expect(finishReason).toBe(at < 0 ? 'length' : 'stop');
    });
    expect(new Set(made.map(({ finishReason }) => finishReason)).size).toBe(2);
  });

  test('at a text to stop at', async () => {
    const decode = (tokens: readonly number[]): string => tokens.map((token) => `<${token}>`).join('');
    const [a, b] = greedy.tokens[1]!.slice(2, 4);
    const made = await texts('llama', { decode }, { stop: `<${a}><${b}>` });
    expect(made[1]).toMatchObject({ tokens: greedy.tokens[1]!.slice(0, 4), finishReason: 'stop' });
    expect(made[0]!.tokens).toEqual(greedy.tokens[0]);
  });

  test('where the model has no more positions', async () => {
    const made = await texts('llama', {}, { max_new_tokens: 100 });
    expect(made.map(({ tokens }, row) => greedy.prompts[row]!.length + tokens.length)).toEqual([32, 32, 32]);
  });

  test('when the caller has had enough', async () => {
    const { generator } = await open('llama');
    await using _ = generator;
    const stopping = new AbortController();
    const seen: number[] = [];
    const request = { inputIds: greedy.prompts.slice(0, 1), signal: stopping.signal };
    for await (const { token } of streamTokens(generator, request)) {
      seen.push(token!);
      if (seen.length === 3) stopping.abort();
    }
    expect(seen).toEqual(greedy.tokens[0]!.slice(0, 3));
    expect(await generate(generator, request)).toMatchObject([{ finishReason: 'aborted' }]);
  });
});

test('a stream gives what the whole has, token by token', async () => {
  const { greedy } = readGolden('decoders/gpt2/golden.json') as { greedy: Greedy };
  const { generator } = await open('gpt2');
  await using _ = generator;
  const rows: number[][] = [[], [], []];
  const settings = { max_new_tokens: 5 };
  for await (const { prompt, token } of streamTokens(generator, { inputIds: greedy.prompts }, settings))
    rows[prompt]!.push(token!);
  expect(rows).toEqual(greedy.tokens.map((tokens) => tokens.slice(0, 5)));
});

test('prompts without tokens, and those that are too long, are refused', async () => {
  for (const inputIds of [[[]], [[5], new Array<number>(32).fill(5)]]) {
    await expect(texts('llama', { inputIds })).rejects.toMatchObject({ code: 'PROMPT_LENGTH' });
  }
});
