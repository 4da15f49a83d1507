/** Rows to the arrays that a graph is fed. */
import type { Value } from '../engine/runtime/index.ts';

export interface EncodedRow {
  readonly inputIds: readonly number[];
  /** Left out where a model knows no types. */
  readonly tokenTypeIds?: readonly number[];
  /** Number of the label; −100 where there is none. */
  readonly label: number;
  /** Of a language model: one for each token, −100 where it is not learned. */
  readonly labels?: readonly number[];
}

export const IGNORED = -100;

export interface BatchFeeds {
  readonly feeds: Readonly<Record<string, Value>>;
  readonly rows: number;
  /** Tokens that are not padding. */
  readonly tokens: number;
}

/** A row, and where in its batch it stands. */
export interface Placed {
  readonly row: EncodedRow;
  readonly sequence: number;
  /** Its first place, in the sequence. */
  readonly start: number;
}

/** Of texts whose tokens are learned: which tokens have a next one to learn, and that one. N of them: all arrays [N]. */
export function targetFeeds(texts: readonly Placed[], length: number): Readonly<Record<string, Value>> {
  const found = texts.flatMap(({ row, sequence, start }) =>
    row.labels!.slice(1).flatMap((label, at) => {
      return label === IGNORED ? [] : [{ label, sequence, place: sequence * length + start + at }];
    }),
  );
  const perTarget = (numberOf: (target: (typeof found)[number]) => number): Value => {
    return { dtype: 'int32', shape: [found.length], data: Int32Array.from(found, numberOf) };
  };
  return {
    labels: perTarget(({ label }) => label),
    target_places: perTarget(({ place }) => place),
    target_sequences: perTarget(({ sequence }) => sequence),
  };
}

/** Pads rows to the longest of them. Arrays are [rows, tokens]; `labels` is [rows], or of tokens: see targetFeeds. */
export function collate(rows: readonly EncodedRow[], padTokenId: number): BatchFeeds {
  const length = Math.max(...rows.map(({ inputIds }) => inputIds.length));
  const filled = (pad: number, valueAt: (row: EncodedRow, at: number) => number): Value => {
    const data = new Int32Array(rows.length * length).fill(pad);
    rows.forEach((row, r) => {
      for (let at = 0; at < row.inputIds.length; at++) data[r * length + at] = valueAt(row, at);
    });
    return { dtype: 'int32', shape: [rows.length, length], data };
  };
  const perRow = Int32Array.from(rows, ({ label }) => label);
  return {
    feeds: {
      input_ids: filled(padTokenId, (row, at) => row.inputIds[at]!),
      attention_mask: filled(0, () => 1),
      token_type_ids: filled(0, (row, at) => row.tokenTypeIds?.[at] ?? 0),
      position_ids: filled(0, (_, at) => at),
      ...(rows[0]?.labels
        ? targetFeeds(
            rows.map((row, sequence) => ({ row, sequence, start: 0 })),
            length,
          )
        : { labels: { dtype: 'int32', shape: [rows.length], data: perRow } }),
    },
    rows: rows.length,
    tokens: rows.reduce((total, { inputIds }) => total + inputIds.length, 0),
  };
}

/** Batches of similar length, longest first, for passes whose order does not matter. */
export function batchesByLength(lengths: readonly number[], batchSize: number): number[][] {
  const order = [...lengths.keys()].sort((a, b) => lengths[b]! - lengths[a]!);
  return chunks(order, batchSize);
}

export function chunks<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size));
}
