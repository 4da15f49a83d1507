/** The public surface of the package. */
export { AttuneError, type ErrorCode, errorCodes } from './errors/index.ts';
