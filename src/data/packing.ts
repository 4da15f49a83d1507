/** Several short texts in one sequence: nothing is padded, and each text reads as if it stood alone. */
import type { Value } from '../engine/runtime/index.ts';
import { type BatchFeeds, type EncodedRow, targetFeeds } from './batch.ts';
import { longestFirst } from './sampling.ts';

/**
 * The row numbers of each sequence. None is longer than the longest row: attention costs the square of the length.
 * The longest row left goes into the fullest sequence that has room for it (best fit, decreasing).
 */
export function packRows(rows: readonly number[], lengths: readonly number[]): number[][] {
  const capacity = Math.max(...rows.map((row) => lengths[row]!));
  const sequences: { rows: number[]; room: number }[] = [];
  for (const row of longestFirst(rows, lengths)) {
    const length = lengths[row]!;
    const fitting = sequences.filter(({ room }) => room >= length);
    const fullest = fitting.reduce((best, one) => (one.room < best.room ? one : best), fitting[0]!);
    if (fullest) {
      fullest.rows.push(row);
      fullest.room -= length;
    } else sequences.push({ rows: [row], room: capacity - length });
  }
  return sequences.map((sequence) => sequence.rows);
}

/** Arrays of [sequences, tokens], but for the places of texts and `labels`, which are [texts], or of tokens: see targetFeeds. */
export function collatePacked(sequences: readonly (readonly EncodedRow[])[], padTokenId: number): BatchFeeds {
  const placed = sequences.flatMap((texts, sequence) => {
    let at = 0;
    return texts.map((row, index) => {
      const start = at;
      at += row.inputIds.length;
      return { row, sequence, start, segment: index + 1 };
    });
  });
  const length = Math.max(...placed.map(({ start, row }) => start + row.inputIds.length));
  const shape = [sequences.length, length];
  const filled = (pad: number, valueAt: (text: (typeof placed)[number], at: number) => number): Value => {
    const data = new Int32Array(sequences.length * length).fill(pad);
    for (const text of placed) {
      const from = text.sequence * length + text.start;
      for (let at = 0; at < text.row.inputIds.length; at++) data[from + at] = valueAt(text, at);
    }
    return { dtype: 'int32', shape, data };
  };
  const perText = (numberOf: (text: (typeof placed)[number]) => number): Value => {
    return { dtype: 'int32', shape: [placed.length], data: Int32Array.from(placed, numberOf) };
  };
  return {
    feeds: {
      input_ids: filled(padTokenId, ({ row }, at) => row.inputIds[at]!),
      attention_mask: filled(0, () => 1),
      token_type_ids: filled(0, ({ row }, at) => row.tokenTypeIds?.[at] ?? 0),
      position_ids: filled(0, (_, at) => at),
      segment_ids: filled(0, ({ segment }) => segment),
      text_starts: perText(({ sequence, start }) => sequence * length + start),
      text_ends: perText(({ sequence, start, row }) => sequence * length + start + row.inputIds.length - 1),
      ...(placed[0]?.row.labels ? targetFeeds(placed, length) : { labels: perText(({ row }) => row.label) }),
    },
    rows: placed.length,
    tokens: placed.reduce((total, { row }) => total + row.inputIds.length, 0),
  };
}
