/** Whether a base in 8 or 4 bits is one: which frozen matrices of linear layers are kept so, and why others are not. */
import { AttuneError } from '../../errors/index.ts';
import type { BasePrecision, Program } from '../../models/nn/index.ts';

type Built = Pick<Program<unknown>, 'linears' | 'parameters'>;

/** Words for a run whose base is rounded in part, undefined where it is wholly. Refused where nothing is: no memory is saved. */
export function keptForms({ linears, parameters }: Built, precision: BasePrecision): string | undefined {
  if (precision === 'fp32') return undefined;
  const byName = new Map(parameters.map(({ parameter }) => [parameter.name, parameter]));
  const inBlocks = linears.filter(({ head, vocabulary }) => !head && !vocabulary);
  const frozen = inBlocks.filter(({ path }) => !byName.get(`${path}.weight`)!.trainable);
  const whole = frozen.filter(({ path }) => !byName.get(`${path}.weight`)!.stored);
  if (frozen.length === 0) throw nothingKept(precision, 'the method trains every linear layer', 'remove it');
  if (whole.length === 0) return undefined;
  const shapes = [...new Set(whole.map(({ shape: [rows, columns] }) => `${rows}×${columns}`))].join(', ');
  const reason = `in 4 bits both sides of a matrix must be multiples of 32, and these are ${shapes}`;
  if (whole.length === frozen.length) throw nothingKept(precision, reason, 'give base_precision: int8, or remove it');
  return `${frozen.length - whole.length} of ${frozen.length} frozen matrices are kept in ${precision}; of the others: ${reason}`;
}

const nothingKept = (precision: BasePrecision, reason: string, fix: string): AttuneError =>
  new AttuneError({
    code: 'CONFIG_INVALID',
    where: 'method.base_precision',
    problem: `no matrix would be kept in ${precision}: ${reason}`,
    fix,
  });
