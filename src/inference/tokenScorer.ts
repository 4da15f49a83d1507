/** Runs a language model forward: the loss of texts. Scores of all words for every token are never handed out. */
import type { Session, Value, Values } from '../engine/runtime/index.ts';
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
      measuring ??= open({ loss_sum: loss.sum, loss_count: loss.count, losses: loss.each }, { threads });
      const result = await (await measuring).run({ ...weights, ...feeds });
      const scalar = (name: string): number => Number(result[name]!.data[0]);
      const losses = result['losses']!.data as Float32Array;
      return { logits: new Float32Array(0), lossSum: scalar('loss_sum'), lossCount: scalar('loss_count'), losses };
    },
    async probe(feeds) {
      probing ??= open({ logits }, { threads });
      const read = { ...weights, ...feeds, ...lastTokens(feeds) };
      const { shape, data } = (await (await probing).run(read)).logits!; // [rows, V]
      return firstWords(data as Float32Array, shape[1]!);
    },
    async [Symbol.asyncDispose]() {
      await (await measuring)?.[Symbol.asyncDispose]();
      await (await probing)?.[Symbol.asyncDispose]();
    },
  };
}

/** The last token of each row as the targets. */
function lastTokens({ attention_mask: mask }: Values): Values {
  const [rows, tokens] = mask!.shape as [number, number];
  const seen = mask!.data as Int32Array;
  const perRow = (numberOf: (row: number) => number): Value => {
    return { dtype: 'int32', shape: [rows], data: Int32Array.from({ length: rows }, (_, row) => numberOf(row)) };
  };
  return {
    target_places: perRow((row) => seen.lastIndexOf(1, (row + 1) * tokens - 1)),
    target_sequences: perRow((row) => row),
  };
}

function firstWords(logits: Float32Array, words: number): Float32Array {
  const kept = Math.min(PROBED, words);
  return Float32Array.from({ length: (logits.length / words) * kept }, (_, i) => {
    return logits[Math.floor(i / kept) * words + (i % kept)]!;
  });
}
