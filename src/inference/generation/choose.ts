/** From scores to a token, in the order in which Transformers does it. */
import { indexOfLargest } from '../scorer.ts';
import type { GenerationSettings } from './settings.ts';

/** What stands before the token that is chosen. */
export interface Written {
  readonly prompt: readonly number[];
  readonly generated: readonly number[];
}

type Choosing = Pick<
  GenerationSettings,
  | 'temperature'
  | 'top_k'
  | 'top_p'
  | 'min_p'
  | 'repetition_penalty'
  | 'presence_penalty'
  | 'frequency_penalty'
  | 'logit_bias'
>;

/** `draw` is a random number from 0 to 1; it is not asked for where the likeliest token is taken. */
export function chooseToken(
  logits: ArrayLike<number>,
  written: Written,
  { settings, draw }: { settings: Choosing; draw: () => number },
): number {
  const scores = penalised(logits, written, settings);
  if (settings.temperature === 0) return indexOfLargest(scores);
  return drawn(narrowed(scores, settings), draw());
}

/** Scores with biases and penalties: https://arxiv.org/abs/1909.05858 (repetition), OpenAI's formula (the others). */
export function penalised(logits: ArrayLike<number>, { prompt, generated }: Written, settings: Choosing): Float64Array {
  const { logit_bias, repetition_penalty, presence_penalty, frequency_penalty } = settings;
  const scores = Float64Array.from(logits);
  for (const [id, bias] of Object.entries(logit_bias)) scores[Number(id)]! += bias;
  if (repetition_penalty !== 1) {
    for (const id of new Set([...prompt, ...generated])) {
      const score = scores[id]!;
      scores[id] = score < 0 ? score * repetition_penalty : score / repetition_penalty;
    }
  }
  if (presence_penalty !== 0) for (const id of new Set(generated)) scores[id]! -= presence_penalty;
  if (frequency_penalty !== 0) for (const id of generated) scores[id]! -= frequency_penalty;
  return scores;
}

/**
 * Scores over the temperature, the largest at 0: over next to nothing, others would all be infinite. −∞ for tokens that are
 * not drawn from. Each limit sees what the one before it left.
 */
export function narrowed(scores: Float64Array, { temperature, top_k, top_p, min_p }: Choosing): Float64Array {
  const top = largest(scores);
  const warm = scores.map((score) => (score - top) / temperature);
  if (top_k > 0 && top_k < warm.length) keepFrom(warm, kthLargest(warm, top_k));
  if (top_p < 1) keepNucleus(warm, top_p);
  if (min_p > 0) keepFrom(warm, largest(warm) + Math.log(min_p));
  return warm;
}

function keepFrom(scores: Float64Array, least: number): void {
  for (let i = 0; i < scores.length; i++) if (scores[i]! < least) scores[i] = Number.NEGATIVE_INFINITY;
}

/** Drops the unlikeliest tokens as long as they add up to at most 1 − p; the likeliest stays. */
function keepNucleus(scores: Float64Array, p: number): void {
  const weights = weightsOf(scores);
  const total = weights.reduce((a, b) => a + b, 0);
  // All that lie below their even share of 1 − p are dropped together: only the rest has to be put in order.
  const floor = ((1 - p) * total) / weights.length;
  const candidates: number[] = [];
  let dropped = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i]! > floor) candidates.push(i);
    else {
      dropped += weights[i]!;
      scores[i] = Number.NEGATIVE_INFINITY;
    }
  }
  candidates.sort((a, b) => weights[a]! - weights[b]! || a - b);
  for (const i of candidates.slice(0, -1)) {
    dropped += weights[i]!;
    if (dropped > (1 - p) * total) return;
    scores[i] = Number.NEGATIVE_INFINITY;
  }
}

/** e^score, with the largest at 1. */
function weightsOf(scores: Float64Array): Float64Array {
  const top = largest(scores);
  return scores.map((score) => Math.exp(score - top));
}

function drawn(scores: Float64Array, random: number): number {
  const weights = weightsOf(scores);
  let left = random * weights.reduce((a, b) => a + b, 0);
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    left -= weights[i]!;
    last = i;
    if (left < 0) return i;
  }
  return last;
}

const largest = (scores: Float64Array): number => scores[indexOfLargest(scores)]!;

/** A heap of the k largest so far, the least of them on top: vocabularies are too long to be sorted for every token. */
function kthLargest(values: Float64Array, k: number): number {
  const heap = values.slice(0, k).sort();
  for (let i = k; i < values.length; i++) {
    if (values[i]! <= heap[0]!) continue;
    heap[0] = values[i]!;
    sink(heap);
  }
  return heap[0]!;
}

function sink(heap: Float64Array): void {
  let at = 0;
  for (;;) {
    const [left, right] = [2 * at + 1, 2 * at + 2];
    let least = at;
    if (left < heap.length && heap[left]! < heap[least]!) least = left;
    if (right < heap.length && heap[right]! < heap[least]!) least = right;
    if (least === at) return;
    [heap[at], heap[least]] = [heap[least]!, heap[at]!];
    at = least;
  }
}
