/**
 * cli — the command line: one file per command, which parses, calls and prints. `console.ts` is the only place of the
 * whole program that prints.
 * Imports: every other room, each inside the command that needs it. It never computes: what a command does can be done
 * from TypeScript too.
 */
export type { Call, Option, Options } from './command.ts';
export type { Console } from './console.ts';
