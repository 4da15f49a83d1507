/** What is refused in a folder of PEFT, and what helps. */
import { AttuneError } from '../../../errors/index.ts';

export const cannotOpen = (where: string, problem: string, fix: string): AttuneError =>
  new AttuneError({ code: 'ADAPTER_UNSUPPORTED', where, problem, fix });

export const namingLayers =
  'name these layers in target_modules (a regular expression: ".*\\.(0|1)\\..*query") and write null here';
