/**
 * [p₁ … pₙ, E(x)]: trained vectors stand before the embedded text (https://arxiv.org/abs/2104.08691).
 * Step 0 is not the base model: the vectors are read from the first step on. They start at N(0, 0.02²), as models start their
 * embeddings of words, times what the model multiplies these by (Gemma: √D); PEFT's, an nn.Embedding, at N(0, 1), far away from
 * any word.
 */
import { z } from 'zod';
import { AttuneError } from '../../errors/index.ts';
import type { Initial, TokensSite } from '../../models/nn/index.ts';
import { basePrecision } from '../basePrecision.ts';
import { defineMethod, type ModelFacts } from '../definition.ts';
import { keysOfLayers, prompted, virtualTokens } from './prompt.ts';

const settings = z
  .strictObject({
    name: z.literal('prompt_tuning'),
    num_virtual_tokens: virtualTokens,
    prompt_tuning_init: z.enum(['random', 'text']).default('random').meta({
      description: 'What the vectors start from: random numbers, or the embeddings of a text.',
    }),
    prompt_tuning_init_text: z.string().min(1).optional().meta({
      description: 'The text, repeated or cut to as many tokens as there are vectors.',
      defaultText: 'none',
    }),
    base_precision: basePrecision,
  })
  .meta({ description: 'Prompt tuning: vectors before the embedded text are trained.', without: keysOfLayers });

type PromptSettings = z.output<typeof settings>;

export const promptTuning = defineMethod({
  settings,
  learningRate: () => 3e-2,
  positions: ({ num_virtual_tokens: count }) => count,
  attach(given, facts) {
    const { num_virtual_tokens: count } = given;
    refuseOddStart(given);
    const vectors = (site: TokensSite) =>
      site.shared('prompt_embeddings', [count, site.width], startOf(given, facts, site)); // [P, D]
    return { name: 'prompt_tuning', ...prompted(count, vectors) };
  },
});

/** The scale is in the vectors: they stand beside rows that the model has multiplied. */
function startOf(given: PromptSettings, { tokenIds }: ModelFacts, { table, width, scale }: TokensSite): Initial {
  const { num_virtual_tokens: count, prompt_tuning_init_text: text } = given;
  if (text === undefined || !tokenIds) return { normal: { standardDeviation: 0.02 * scale } };
  const ids = tokenIds(text);
  const compute = (rows: Float32Array): Float32Array => {
    const found = new Float32Array(count * width);
    for (let i = 0; i < count; i++) {
      const id = ids[i % ids.length]!;
      found.set(rows.subarray(id * width, (id + 1) * width), i * width);
    }
    return scale === 1 ? found : found.map((value) => value * scale);
  };
  return { from: table, compute };
}

function refuseOddStart({ prompt_tuning_init: start, prompt_tuning_init_text: text }: PromptSettings): void {
  if ((start === 'text') === (text !== undefined)) return;
  throw new AttuneError({
    code: 'CONFIG_INVALID',
    where: 'method.prompt_tuning_init_text',
    problem: start === 'text' ? 'is missing' : 'is given, but prompt_tuning_init is random',
    fix: start === 'text' ? 'add the text that the vectors start from' : 'give prompt_tuning_init: text',
  });
}
