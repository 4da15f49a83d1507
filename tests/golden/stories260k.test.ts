/** A real decoder: a believable loss on text, readable text, and learning from it. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { generate, openDecoder as openGenerator } from '../../src/inference/generation/index.ts';
import { methods } from '../../src/methods/index.ts';
import { trainSteps } from '../../src/training/index.ts';
import { openDecoder, plainBatch, trainerOf } from './decoderModels.ts';
import { runtime } from './fixtures.ts';
import { convertStories, storiesTokenizer } from './stories260k.ts';

const given = process.env.ATTUNE_TEST_STORIES;
const beside = join(import.meta.dirname, '../../../shared/weights/stories260K');
const source = [given, beside].find((folder) => folder !== undefined && existsSync(join(folder, 'stories260K.bin')));
if (!source) console.warn('SKIPPED: tests on stories260K (set ATTUNE_TEST_STORIES to its folder)');

/** Written for this test, in the manner of the stories that it was trained on. */
const story =
  'Once upon a time, there was a little boy named Tim. Tim had a red ball. He loved to play with his ball in the park. ' +
  'One day, Tim saw a big dog. The dog wanted to play too. Tim was happy and threw the ball to the dog. ' +
  'They played all day and became good friends.';

describe.skipIf(!source)('stories260K', () => {
  const folder = source ? convertStories(source) : '';
  const { encode, decode } = source ? storiesTokenizer(source) : { encode: () => [], decode: () => '' };
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const rowOf = (text: string) => ({ input_ids: encode(text), labels: encode(text) });

  test('has 260,032 parameters, and finds every one', async () => {
    const { memory, loaded } = await openDecoder('stories', { folder });
    expect(loaded).toEqual({ fresh: [], unused: [] });
    expect([...memory.trained.values()].reduce((sum, { count }) => sum + count, 0)).toBe(260_032);
  });

  test('knows a story from its words in another order', async () => {
    await using trainer = await trainerOf(await openDecoder('stories', { folder }));
    const lossOf = async (text: string): Promise<number> => {
      const { sum, count } = await trainer.gradients([plainBatch([rowOf(text)])], 1);
      return sum / count;
    };
    const loss = await lossOf(story);
    // 3.55 perplexity a token is what a NumPy forward pass measured on such text.
    expect(Math.exp(loss)).toBeGreaterThan(2);
    expect(Math.exp(loss)).toBeLessThan(5);
    expect(await lossOf(story.split(' ').reverse().join(' '))).toBeGreaterThan(loss + 1);
  });

  test('tells the story that llama2.c prints for it', async () => {
    const { description, memory } = await openDecoder('stories', { folder });
    await using generator = await openGenerator(description, { memory, open: runtime.open, threads: 1 });
    const [text] = await generate(generator, { inputIds: [[1]], endIds: [1, 2] }, { max_new_tokens: 60 });
    expect(decode(text!.tokens).trim()).toMatch(
      /^Once upon a time, there was a little girl named Lily\. She loved to play outside in the park\. One day, she saw a big, red ball\./,
    );
  });

  test.each(['full', 'lora'] as const)('learns another ending with %s', async (name) => {
    const method = methods[name].settings.parse({ name });
    const opened = await openDecoder('stories', { folder, method });
    const ending = `${story} Then a purple rocket took them to the moon.`;
    await using trainer = await trainerOf(opened);
    const batch = plainBatch([rowOf(ending)]);
    const steps = Array.from({ length: 30 }, () => ({ batches: [batch], epoch: 0, lastOfEpoch: false }));
    const schedule = {
      name: 'constant',
      learningRate: name === 'full' ? 1e-3 : 1e-2,
      warmupSteps: 0,
      totalSteps: 30,
    } as const;
    const losses: number[] = [];
    for await (const { loss } of trainSteps(trainer, steps, { schedule, maxGradientNorm: 1 })) losses.push(loss);
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
  });
});
