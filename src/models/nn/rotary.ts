/** Rotary positions: each pair of a head's values turns at a frequency of its own (https://arxiv.org/abs/2104.09864). */
import { z } from 'zod';
import { constant, type Dim, type Tensor } from '../../engine/graph/index.ts';
import { type Angles, concat, cos, mul, reshape, rotate, sin, split, toFloat } from '../../engine/ops/index.ts';
import type { Reading } from './reading.ts';

const above0 = z.number().positive();
const every = { rope_theta: above0.optional(), partial_rotary_factor: z.number().positive().max(1).optional() };
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
  z.looseObject({
    ...every,
    rope_type: z.literal('longrope'),
    short_factor: z.array(above0),
    factor: above0.nullish(),
    attention_factor: above0.nullish(),
    original_max_position_embeddings: above0.optional(),
  }),
]);

/** Older files call the kind `type`. */
function named(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { type = 'default', rope_type = type, ...rest } = value as Record<string, unknown>;
  return { ...rest, rope_type: rope_type === 'su' ? 'longrope' : rope_type };
}

/** How config.json says that positions turn. Transformers 5 writes all of it into `rope_parameters`. */
export const rotaryKind = z.preprocess(named, kinds);
export const rotaryFields = {
  rope_theta: above0.optional(),
  rope_scaling: rotaryKind.nullish(),
  rope_parameters: rotaryKind.nullish(),
};

type Kind = z.output<typeof kinds>;
type Of<Name extends Kind['rope_type']> = Extract<Kind, { rope_type: Name }>;
interface RotaryFields {
  readonly partial_rotary_factor?: number | undefined;
  readonly rope_scaling?: Kind | null | undefined;
  readonly rope_parameters?: Kind | null | undefined;
}

interface RotaryConfig extends RotaryFields {
  readonly max_position_embeddings: number;
  readonly original_max_position_embeddings?: number | undefined;
  readonly rope_theta?: number | undefined;
}

export interface Rotation {
  /** By how much each pair turns from one position to the next. [C/2] */
  readonly frequencies: readonly number[];
  /** What sines and cosines are multiplied by. */
  readonly scale: number;
}

/** Of a field, with dots where it lies in a group. */
export type Refuse = (path: string, message: string) => void;

/** One factor for each pair that turns: of a pair without one the angle would be no number. */
export function checkFactors(config: RotaryFields, width: number, refuse: Refuse): void {
  const { rope_scaling: older, rope_parameters: newer } = config;
  for (const [field, kind] of Object.entries({ rope_scaling: older, rope_parameters: newer })) {
    if (kind?.rope_type !== 'longrope') continue;
    const [given, pairs] = [kind.short_factor.length, turnedOf(config, width, kind) / 2];
    if (given === pairs) continue;
    refuse(`${field}.short_factor`, `it has ${given} factors, but ${pairs} pairs of each head turn`);
  }
}

/** How many values of a head turn. */
const turnedOf = (config: RotaryFields, width: number, kind: Kind): number =>
  Math.floor(width * (kind.partial_rotary_factor ?? config.partial_rotary_factor ?? 1));

/** The rotation of heads of `width` values, or of the first part of each. */
export function rotationOf(config: RotaryConfig, width: number, theta = 10_000): Rotation {
  const kind: Kind = config.rope_parameters ?? config.rope_scaling ?? { rope_type: 'default' };
  const base = kind.rope_theta ?? config.rope_theta ?? theta;
  const turned = turnedOf(config, width, kind);
  const plain = Array.from({ length: turned / 2 }, (_, i) => base ** ((-2 * i) / turned));
  switch (kind.rope_type) {
    case 'linear':
      return { frequencies: plain.map((frequency) => frequency / kind.factor), scale: 1 };
    case 'llama3':
      return { frequencies: plain.map((frequency) => llama3(kind, frequency)), scale: 1 };
    case 'yarn':
      return yarn(kind, { base, plain });
    case 'longrope':
      return longrope(kind, config, plain);
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

/** Each pair by a factor of its own (https://arxiv.org/abs/2402.13753): the ones for texts of the pretraining's length. */
function longrope(kind: Of<'longrope'>, config: RotaryConfig, plain: readonly number[]): Rotation {
  const length = shortLength(config, kind);
  const factor = kind.factor ?? config.max_position_embeddings / length;
  const frequencies = plain.map((frequency, pair) => frequency / kind.short_factor[pair]!);
  const softer = factor > 1 ? Math.sqrt(1 + Math.log(factor) / Math.log(length)) : 1;
  return { frequencies, scale: kind.attention_factor ?? softer };
}

const shortLength = (config: RotaryConfig, kind: Of<'longrope'>): number =>
  kind.original_max_position_embeddings ?? config.original_max_position_embeddings ?? config.max_position_embeddings;

/** The longest text for which the rotation is right. */
export function longestText(config: RotaryConfig): number {
  const kind = config.rope_parameters ?? config.rope_scaling;
  return kind?.rope_type === 'longrope' ? shortLength(config, kind) : config.max_position_embeddings;
}

/** Turns x [B, H, T, C] by the angles of its positions; what they do not cover stays as it is. */
export function turn(x: Tensor, angles: Angles): Tensor {
  const [width, turned] = [x.shape.at(-1) as number, 2 * (angles.cosine.shape.at(-1) as number)];
  if (turned === width) return rotate(x, angles);
  const [first, rest] = split(x, -1, [turned, width - turned]) as [Tensor, Tensor];
  return concat([rotate(first, angles), rest], -1);
}

/** The angles of a layer's keys, and of the queries that are read. */
export interface Turning {
  readonly queries: Angles;
  readonly keys: Angles;
}

export function turning(positions: Tensor, rotation: Rotation): (reads: Reading) => Turning {
  const keys = rotaryAngles(positions, rotation);
  return (reads) => {
    const asked = reads.numbers(positions);
    return { queries: asked === positions ? keys : rotaryAngles(asked, rotation), keys };
  };
}

/** Cosine and sine of each position [B, T]: [B, 1, T, C/2] */
function rotaryAngles(positions: Tensor, { frequencies, scale }: Rotation): Angles {
  const [batch, length] = positions.shape as [Dim, Dim];
  const angles = mul(reshape(toFloat(positions), [batch, 1, length, 1]), constant(frequencies));
  const scaled = (x: Tensor): Tensor => (scale === 1 ? x : mul(x, scale));
  return { cosine: scaled(cos(angles)), sine: scaled(sin(angles)) };
}
