/** What a method puts before texts that are read piece by piece: the positions of a text follow those that it takes. */
import type { BeforeText, Method } from '../../models/nn/index.ts';
import type { Tokens } from './cache.ts';

/** What stands before a text, or undefined. Methods that bring it are one of a list at most. */
export const beforeText = (methods: readonly Method[]): BeforeText | undefined =>
  methods.find(({ before }) => before)?.before;

/** As a program has it that is given the positions at which texts stand. */
export const inPieces = (method: Method): Method => (method.before ? { ...method, batch: undefined } : method);

/** Where tokens of a text stand once something is before it. */
export const placedAfter = (before: BeforeText | undefined, { positions, texts }: Tokens): Tokens => ({
  positions: before ? positions.map((position) => position + before.positions) : positions,
  texts,
});
