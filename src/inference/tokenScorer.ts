/** Runs a language model forward: the loss of texts. Scores of all words for every token are never handed out. */
import type { Session, Values } from '../engine/runtime/index.ts';
import type { Program } from '../models/nn/index.ts';
import type { CausalLmOutputs } from '../tasks/index.ts';
import { parameterValues } from '../training/index.ts';
import type { Scorer, ScorerOptions } from './scorer.ts';

/** Words whose scores a probe keeps, of the last token of each row. */
export const PROBED = 16;

export async function openTokenScorer(
  program: Program<CausalLmOutputs>,
  { memory, open, threads }: ScorerOptions,
): Promise<Scorer> {
  const { logits, loss } = program.outputs;
  const weights = parameterValues(program, memory);
  // Each is opened when it is first asked for: whoever only compares a fingerprint measures no loss.
  let measuring: Promise<Session> | undefined;
  let probing: Promise<Session> | undefined;
  return {
    async score(feeds) {
      measuring ??= open({ loss_sum: loss.sum, loss_count: loss.count }, { threads });
      const result = await (await measuring).run({ ...weights, ...feeds });
      const scalar = (name: string): number => Number(result[name]!.data[0]);
      return { logits: new Float32Array(0), lossSum: scalar('loss_sum'), lossCount: scalar('loss_count') };
    },
    async probe(feeds) {
      probing ??= open({ logits }, { threads });
      const { shape, data } = (await (await probing).run({ ...weights, ...feeds })).logits!;
      return lastScores(data as Float32Array, shape, feeds);
    },
    async [Symbol.asyncDispose]() {
      await (await measuring)?.[Symbol.asyncDispose]();
      await (await probing)?.[Symbol.asyncDispose]();
    },
  };
}

function lastScores(logits: Float32Array, shape: readonly number[], feeds: Values): Float32Array {
  const [rows, tokens, words] = shape as [number, number, number];
  const kept = Math.min(PROBED, words);
  const found = new Float32Array(rows * kept);
  const mask = feeds['attention_mask']!.data;
  for (let row = 0; row < rows; row++) {
    let last = 0;
    for (let at = 0; at < tokens; at++) if (mask[row * tokens + at] === 1) last = at;
    const start = (row * tokens + last) * words;
    found.set(logits.subarray(start, start + kept), row * kept);
  }
  return found;
}
