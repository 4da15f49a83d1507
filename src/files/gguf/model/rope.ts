/** How positions turn: from metadata, and from the factors that llama.cpp keeps as tensors, to config.json's fields. */
import { type Facts, unsupported } from './facts.ts';

const DEFAULT_BASE = 10_000;

/** `rope_theta` and, where positions are scaled, `rope_scaling`. */
export async function ropeFields(facts: Facts, headWidth: number): Promise<Record<string, unknown>> {
  const base = facts.numberIfAny('rope.freq_base') ?? DEFAULT_BASE;
  const scaling = (await longFactors(facts)) ?? (await llama3Factors(facts, base, headWidth)) ?? byKind(facts);
  return { rope_theta: base, ...(scaling && { rope_scaling: scaling }) };
}

function byKind(facts: Facts): object | undefined {
  const kind = facts.word('rope.scaling.type') ?? 'none';
  const factor = facts.numberIfAny('rope.scaling.factor') ?? facts.numberIfAny('rope.scale_linear');
  if (kind === 'none' || factor === undefined || factor === 1) return undefined;
  if (kind === 'linear') return { rope_type: 'linear', factor };
  const original = facts.countIfAny('rope.scaling.original_context_length');
  const attention = facts.numberIfAny('rope.scaling.attn_factor');
  if (kind === 'yarn') {
    return {
      rope_type: 'yarn',
      factor,
      ...(original && { original_max_position_embeddings: original }),
      ...(attention !== undefined && { attention_factor: attention }),
    };
  }
  throw unsupported(
    facts.file.name,
    `its positions are scaled by '${kind}'`,
    'use a model with linear, yarn, llama3 or longrope scaling',
  );
}

/** Phi-3: one factor for each pair of a head, for short and for long texts. */
async function longFactors(facts: Facts): Promise<object | undefined> {
  const [long, short] = [
    await facts.floats('rope_factors_long.weight'),
    await facts.floats('rope_factors_short.weight'),
  ];
  if (!long || !short) return undefined;
  return { rope_type: 'longrope', long_factor: long, short_factor: short };
}

/**
 * Llama 3.1 and later: the file has the factors, config.json the rule that they come from. All published models use the
 * rule with these bounds; that the factors follow it is checked.
 */
const rule = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };

async function llama3Factors(facts: Facts, base: number, headWidth: number): Promise<object | undefined> {
  const stored = await facts.floats('rope_freqs.weight');
  if (!stored) return undefined;
  const scaling = { rope_type: 'llama3', factor: Math.max(...stored), ...rule };
  const wanted = Array.from({ length: stored.length }, (_, i) => {
    const wavelength = 2 * Math.PI * base ** ((2 * i) / headWidth);
    const turns = rule.original_max_position_embeddings / wavelength;
    if (turns > rule.high_freq_factor) return 1;
    if (turns < rule.low_freq_factor) return scaling.factor;
    const smooth = (turns - rule.low_freq_factor) / (rule.high_freq_factor - rule.low_freq_factor);
    return 1 / ((1 - smooth) / scaling.factor + smooth);
  });
  const follows =
    stored.length === wanted.length && stored.every((value, i) => Math.abs(value / wanted[i]! - 1) < 1e-4);
  if (follows) return scaling;
  throw unsupported(
    `${facts.file.name} 'rope_freqs.weight'`,
    'its factors do not follow the rule of Llama 3.1',
    'use the Hugging Face folder of the model, whose config.json has the rule',
  );
}
