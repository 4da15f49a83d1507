import { AttuneError } from '../../errors/index.ts';

/** Weights that are not there, where another program may have pickled them. */
export function noSafetensors(where: string, fix: string): AttuneError {
  const problem = 'it is not there; files that Python pickled (.bin) are not read, for reading them can run programs';
  return new AttuneError({ code: 'ADAPTER_UNSUPPORTED', where, problem, fix });
}
