/** What a method puts before texts that are read piece by piece: it goes into the cache with the first piece. */
// B rows · T tokens of a piece · P tokens before the text
import type { BeforeText, Method } from '../../models/nn/index.ts';
import type { Cache, Tokens } from './cache.ts';

/** Undefined: nothing. Methods that bring it are one of a list at most. */
export const beforeText = (methods: readonly Method[]): BeforeText | undefined =>
  methods.find(({ before }) => before)?.before;

/** The method of a program that is given such tokens, and the positions at which the text stands. */
export const inPieces = (method: Method): Method =>
  method.before ? { ...method, batch: undefined, tokens: method.before.tokens } : method;

export interface Piece extends Tokens {
  readonly inputIds: Int32Array;
}

interface Reading {
  readonly cache: Pick<Cache, 'rows' | 'isEmpty'>;
  readonly inputIds: Int32Array;
  readonly tokens: Tokens;
}

/** What is read for tokens of the text. [B, T], or [B, P + T]; padding may lie between: positions and masks say what is seen. */
export function pieceOf(before: BeforeText | undefined, { cache, inputIds, tokens }: Reading): Piece {
  if (!before) return { inputIds, ...tokens };
  const positions = tokens.positions.map((position) => position + before.positions);
  const piece = { inputIds, positions, texts: tokens.texts };
  if (!before.tokens || !cache.isEmpty) return piece;
  const led = (data: Int32Array, first: (index: number) => number): Int32Array =>
    ledBy(
      Int32Array.from({ length: before.positions }, (_, index) => first(index)),
      data,
      cache.rows,
    );
  return {
    inputIds: led(inputIds, (index) => -1 - index),
    positions: led(positions, (index) => index),
    texts: led(tokens.texts, () => 1),
  };
}

/** Each row of `data` after `first`. */
function ledBy(first: Int32Array, data: Int32Array, rows: number): Int32Array {
  const length = data.length / rows;
  const result = new Int32Array(data.length + rows * first.length);
  for (let row = 0; row < rows; row++) {
    const at = row * (first.length + length);
    result.set(first, at);
    result.set(data.subarray(row * length, (row + 1) * length), at + first.length);
  }
  return result;
}
