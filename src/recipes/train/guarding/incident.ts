/** A step that the guards refused, in words: for the log, for people, and as the error that ends a run. */
import { AttuneError } from '../../../errors/index.ts';
import type { Incident } from '../../../training/index.ts';
import type { GuardLine } from './openGuarding.ts';

const events = { skip: 'skipped', rollback: 'rolled_back', stop: 'stopped' } as const;

/** `rows`: file and line of every row of the step. */
export function incidentLine(incident: Incident, rows: readonly string[]): GuardLine {
  const { step, action, kind, reason, loss, gradientNorm, layer, tensors, rateScale } = incident;
  return {
    step,
    event: events[action],
    reason,
    kind,
    // Names of their own: these are no points of the curves. Not a number is null in JSON.
    batch_loss: loss,
    batch_grad_norm: gradientNorm,
    layer: layer ?? null,
    worst_rows: worstOf(incident, rows),
    rows,
    learning_rate_scale: rateScale,
    ...(tensors && { tensors }),
  };
}

const worstOf = (incident: Incident, rows: readonly string[]): string[] =>
  incident.rows.flatMap((row) => rows[row] ?? []);

const done = {
  skip: () => 'the step is skipped',
  rollback: ({ rateScale }: Incident) =>
    `back to the last good state, with ${Number(rateScale.toPrecision(3))} times the learning rate`,
  stop: () => 'stopped before the update',
};

export const incidentText = (incident: Incident, rows: readonly string[]): string =>
  `step ${incident.step}: ${problemOf(incident, rows)}: ${done[incident.action](incident)}`;

function problemOf(incident: Incident, rows: readonly string[]): string {
  const { kind, reason, layer, tensors } = incident;
  const worst = worstOf(incident, rows);
  const by = kind === 'not_finite' ? 'by itself so on' : 'largest on';
  return [
    reason,
    ...(layer === undefined ? [] : [`first in ${layer}`]),
    ...(worst.length === 0 || worst.length === rows.length ? [] : [`${by} ${listed(worst, 3)}`]),
    ...(tensors ? [listed(tensors, 8)] : []),
  ].join(', ');
}

function listed(names: readonly string[], most: number): string {
  const more = names.length - most;
  return more > 0 ? `${names.slice(0, most).join(', ')} and ${more} more` : names.join(', ');
}

export function incidentError(
  incident: Incident,
  { rows, learningRate }: { readonly rows: readonly string[]; readonly learningRate: number },
): AttuneError {
  const { kind, step } = incident;
  const where = `step ${step}`;
  const problem = problemOf(incident, rows);
  if (kind === 'no_gradient') {
    const fix =
      'choose with method what is to be trained; a tensor without a gradient stays as it is, whatever is saved';
    return new AttuneError({ code: 'TRAINING_NO_GRADIENT', where, problem, fix });
  }
  return new AttuneError({
    code: kind === 'not_finite' ? 'TRAINING_NOT_FINITE' : 'TRAINING_SPIKE',
    where,
    problem: `${problem}; the weights were not updated. Rows of the step: ${listed(rows, 64)}`,
    fix: `lower training.learning_rate (it is ${learningRate}), look at these rows, or keep training.max_grad_norm at 1.0`,
  });
}
