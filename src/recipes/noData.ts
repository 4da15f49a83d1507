import { AttuneError } from '../errors/index.ts';

export function noData(reference: string): AttuneError {
  return new AttuneError({
    code: 'USAGE',
    where: `eval ${reference}`,
    problem: 'there is no data to evaluate on',
    fix: 'give a labelled file with --data FILE',
  });
}
