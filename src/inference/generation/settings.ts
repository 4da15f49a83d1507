/** What is asked of generated text, under the names that Transformers and OpenAI's interface give it. */
import { z } from 'zod';

const penalty = z.number().min(-2).max(2);

export const generationSettings = z.strictObject({
  max_new_tokens: z
    .int()
    .min(1)
    .default(256)
    .meta({
      description: 'The most tokens that are generated.',
      aliases: ['max_tokens', 'max_length', 'max_completion_tokens', 'num_predict'],
    }),
  temperature: z
    .number()
    .min(0)
    .default(0)
    .meta({
      description: 'Scores are divided by it before a token is drawn; at 0 the likeliest token is taken each time.',
      aliases: ['temp'],
    }),
  top_k: z.int().min(0).default(0).meta({ description: 'Draws from that many likeliest tokens; 0: from all.' }),
  top_p: z.number().gt(0).max(1).default(1).meta({
    description: 'Draws from the fewest likeliest tokens whose probabilities add up to this.',
  }),
  min_p: z.number().min(0).max(1).default(0).meta({
    description: 'Draws from tokens that are at least this share as likely as the likeliest.',
  }),
  repetition_penalty: z
    .number()
    .positive()
    .default(1)
    .meta({
      description:
        'Scores of tokens that are in the prompt or the text are divided by it, or multiplied where below 0.',
      aliases: ['repeat_penalty'],
    }),
  presence_penalty: penalty.default(0).meta({
    description: 'Taken off the score of each token that was generated.',
  }),
  frequency_penalty: penalty.default(0).meta({
    description: 'Taken off the score of each token as often as it was generated.',
  }),
  logit_bias: z.record(z.string().regex(/^\d+$/, 'keys are token ids'), z.number()).default({}).meta({
    description: 'Added to the scores of tokens: token id → number.',
    takes: 'a mapping from ids of tokens to numbers',
  }),
  stop: z
    .union([
      z
        .string()
        .min(1)
        .transform((text) => [text]),
      z.array(z.string().min(1)),
    ])
    .default([])
    .meta({ description: 'Texts that end the generated one; they are not part of it.', aliases: ['stop_sequences'] }),
  seed: z.int().min(0).default(0).meta({ description: 'The same seed draws the same tokens.' }),
  // All of them are held until the last is written.
  n: z.int().min(1).max(10_000).default(1).meta({ description: 'How many texts are generated for each prompt.' }),
});

/** All of them, with the defaults filled in. */
export type GenerationSettings = z.output<typeof generationSettings>;
/** What a caller gives. */
export type GenerationOptions = z.input<typeof generationSettings>;
