import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { stream, uniform } from '../../engine/random/index.ts';
import { chooseToken, narrowed, penalised } from './choose.ts';
import { type GenerationOptions, generationSettings } from './index.ts';

interface Golden {
  readonly logits: readonly number[];
  readonly prompt: readonly number[];
  readonly generated: readonly number[];
  readonly cases: Readonly<Record<string, { settings: GenerationOptions; scores: readonly (number | null)[] }>>;
}
const golden = JSON.parse(
  readFileSync(new URL('../../../tests/golden/sampling.json', import.meta.url), 'utf8'),
) as Golden;
const { logits, prompt, generated } = golden;
const written = { prompt, generated };
const settingsOf = (options: GenerationOptions) => generationSettings.parse(options);

test.each(Object.keys(golden.cases))('scores equal those of Transformers: %s', (name) => {
  const { settings: options, scores } = golden.cases[name]!;
  const settings = settingsOf(options);
  const found = narrowed(penalised(logits, written, settings), settings);
  const top = Math.max(...scores.map((score) => score ?? Number.NEGATIVE_INFINITY));
  scores.forEach((expected, token) => {
    if (expected === null) expect(found[token], `token ${token}`).toBe(Number.NEGATIVE_INFINITY);
    else expect(found[token], `token ${token}`).toBeCloseTo(expected - top, 8);
  });
});

test('presence and frequency penalties follow the formula, over what was generated alone', () => {
  const settings = settingsOf({ presence_penalty: 0.5, frequency_penalty: 0.25 });
  const found = penalised(logits, written, settings);
  found.forEach((score, token) => {
    const times = generated.filter((id) => id === token).length;
    expect(score).toBeCloseTo(logits[token]! - 0.5 * (times > 0 ? 1 : 0) - 0.25 * times, 12);
  });
});

describe('a token', () => {
  test('is the likeliest at temperature 0, without a random number', () => {
    const draw = (): number => {
      throw new Error('drawn');
    };
    const token = chooseToken(logits, written, { settings: settingsOf({}), draw });
    expect(logits[token]).toBe(Math.max(...logits));
  });

  test('is drawn as often as it is likely', () => {
    const settings = settingsOf({ temperature: 1, top_k: 4 });
    const random = stream(1, 'test');
    const counts = new Map<number, number>();
    const rounds = 20_000;
    for (let i = 0; i < rounds; i++) {
      const token = chooseToken(logits, written, { settings, draw: () => uniform(random, i) });
      counts.set(token, (counts.get(token) ?? 0) + 1);
    }
    const left = narrowed(penalised(logits, written, settings), settings);
    const total = left.reduce((sum, score) => sum + Math.exp(score), 0);
    expect(counts.size).toBe(4);
    for (const [token, times] of counts) {
      const share = Math.exp(left[token]!) / total;
      const deviation = Math.sqrt((share * (1 - share)) / rounds);
      expect(Math.abs(times / rounds - share)).toBeLessThan(4 * deviation);
    }
  });

  test.each([1e-300, 1e-310, Number.MIN_VALUE])('is the likeliest at a temperature of %d too', (temperature) => {
    const best = logits.indexOf(Math.max(...logits));
    for (const limit of [{}, { top_k: 4 }, { top_p: 0.9 }, { min_p: 0.1 }]) {
      for (const draw of [0, 0.5, 0.999]) {
        const settings = settingsOf({ temperature, ...limit });
        expect(chooseToken(logits, written, { settings, draw: () => draw })).toBe(best);
      }
    }
  });

  test('that is banned never comes', () => {
    const [best] = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!);
    const settings = settingsOf({ logit_bias: { [String(best)]: -1000 } });
    expect(chooseToken(logits, written, { settings, draw: () => 0 })).not.toBe(best);
  });
});

test('a limit over a long vocabulary keeps what sorting would keep', () => {
  const random = stream(2, 'vocabulary');
  const long = Float64Array.from({ length: 5000 }, (_, i) => 12 * uniform(random, i));
  const order = [...long.keys()].sort((a, b) => long[b]! - long[a]!);
  const kept = (options: GenerationOptions): number[] => {
    const left = narrowed(long, settingsOf({ temperature: 1, ...options }));
    return order.filter((token) => left[token] !== Number.NEGATIVE_INFINITY);
  };
  expect(kept({ top_k: 37 })).toEqual(order.slice(0, 37));
  const weights = order.map((token) => Math.exp(long[token]!));
  const total = weights.reduce((a, b) => a + b, 0);
  let sum = 0;
  const count = weights.findIndex((weight) => {
    sum += weight;
    return sum >= 0.7 * total;
  });
  expect(kept({ top_p: 0.7 })).toEqual(order.slice(0, count + 1));
});
