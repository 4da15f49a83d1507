/** Rotary positions: each pair of a head's values turns at a frequency of its own (https://arxiv.org/abs/2104.09864). */
import { z } from 'zod';
import { constant, type Dim, type Tensor } from '../../engine/graph/index.ts';
import { type Angles, cos, mul, reshape, sin, toFloat } from '../../engine/ops/index.ts';

const above0 = z.number().positive();
const every = { rope_theta: above0.optional() };
const kinds = z.discriminatedUnion('rope_type', [
  z.looseObject({ ...every, rope_type: z.literal('default') }),
  // Up to the length it was made for, which is all that is used, it is the default.
  z.looseObject({ ...every, rope_type: z.literal('dynamic') }),
  z.looseObject({ ...every, rope_type: z.literal('linear'), factor: above0 }),
  z.looseObject({
    ...every,
    rope_type: z.literal('llama3'),
    factor: above0,
    low_freq_factor: above0,
    high_freq_factor: above0,
    original_max_position_embeddings: above0,
  }),
  z.looseObject({
    ...every,
    rope_type: z.literal('yarn'),
    factor: above0,
    original_max_position_embeddings: above0,
    attention_factor: above0.nullish(),
    beta_fast: above0.default(32),
    beta_slow: above0.default(1),
    truncate: z.boolean().default(true),
  }),
]);

/** Older files call the kind `type`. */
function named(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { type = 'default', rope_type = type, ...rest } = value as Record<string, unknown>;
  return { rope_type, ...rest };
}

/** How config.json says that positions turn. Transformers 5 writes all of it into `rope_parameters`. */
const rotaryKind = z.preprocess(named, kinds);
export const rotaryFields = {
  rope_theta: above0.optional(),
  rope_scaling: rotaryKind.nullish(),
  rope_parameters: rotaryKind.nullish(),
};

type Kind = z.output<typeof kinds>;
type Of<Name extends Kind['rope_type']> = Extract<Kind, { rope_type: Name }>;
interface RotaryConfig {
  readonly rope_theta?: number | undefined;
  readonly rope_scaling?: Kind | null | undefined;
  readonly rope_parameters?: Kind | null | undefined;
}

export interface Rotation {
  /** By how much each pair turns from one position to the next. [C/2] */
  readonly frequencies: readonly number[];
  /** What sines and cosines are multiplied by. */
  readonly scale: number;
}

/** The rotation of heads of `width` values. */
export function rotationOf(config: RotaryConfig, width: number, theta = 10_000): Rotation {
  const kind: Kind = config.rope_parameters ?? config.rope_scaling ?? { rope_type: 'default' };
  const base = kind.rope_theta ?? config.rope_theta ?? theta;
  const plain = Array.from({ length: width / 2 }, (_, i) => base ** ((-2 * i) / width));
  switch (kind.rope_type) {
    case 'linear':
      return { frequencies: plain.map((frequency) => frequency / kind.factor), scale: 1 };
    case 'llama3':
      return { frequencies: plain.map((frequency) => llama3(kind, frequency)), scale: 1 };
    case 'yarn':
      return yarn(kind, { base, plain });
    default:
      return { frequencies: plain, scale: 1 };
  }
}

/** Slow pairs, which do not turn once in the length of pretraining, are slowed down; fast ones stay as they are. */
function llama3(kind: Of<'llama3'>, frequency: number): number {
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: length } = kind;
  const turns = (length * frequency) / (2 * Math.PI);
  if (turns > high) return frequency;
  if (turns < low) return frequency / factor;
  const share = (turns - low) / (high - low);
  return ((1 - share) * frequency) / factor + share * frequency;
}

/** The same with a ramp over the number of the pair, and softer attention (https://arxiv.org/abs/2309.00071). */
function yarn(kind: Of<'yarn'>, { base, plain }: { base: number; plain: readonly number[] }): Rotation {
  const { factor, original_max_position_embeddings: length, beta_fast, beta_slow, truncate } = kind;
  const width = plain.length * 2;
  const pairOf = (turns: number): number => (width * Math.log(length / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const [first, end] = [pairOf(beta_fast), pairOf(beta_slow)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(end) : end, width - 1);
  const span = high === low ? 0.001 : high - low;
  const frequencies = plain.map((frequency, pair) => {
    const slowed = Math.min(1, Math.max(0, (pair - low) / span));
    return (frequency / factor) * slowed + frequency * (1 - slowed);
  });
  return { frequencies, scale: kind.attention_factor ?? (factor > 1 ? 0.1 * Math.log(factor) + 1 : 1) };
}

/** Cosine and sine of each position [B, T]: [B, 1, T, C/2] */
export function rotaryAngles(positions: Tensor, { frequencies, scale }: Rotation): Angles {
  const [batch, length] = positions.shape as [Dim, Dim];
  const angles = mul(reshape(toFloat(positions), [batch, 1, length, 1]), constant(frequencies));
  const scaled = (x: Tensor): Tensor => (scale === 1 ? x : mul(x, scale));
  return { cosine: scaled(cos(angles)), sine: scaled(sin(angles)) };
}
