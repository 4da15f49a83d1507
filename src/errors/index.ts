/** errors — what users meet when something is wrong, and the table of codes. Imports nothing; every room may import it. */
export { AttuneError, type Problem } from './attuneError.ts';
export { type ErrorCode, errorCodes } from './codes.ts';
export { nearest } from './nearest.ts';
