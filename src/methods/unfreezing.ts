/**
 * Gradual unfreezing (https://arxiv.org/abs/1801.06146, section 3.3): θₗ ← θₗ − [t > tₗ]·Δθₗ at step t for the weights θₗ of
 * layer l, with t_L ≤ … ≤ t₁ ≤ t₀ from the top layer down to the embeddings; what follows the layers is trained from the first
 * step. Nothing is added: step 0 is that of the method whose tensors rest.
 */
import { z } from 'zod';
import { AttuneError } from '../errors/index.ts';
import type { Method } from '../models/nn/index.ts';
import type { RunLength } from './definition.ts';

const unit = z.enum(['epochs', 'steps']).default('epochs').meta({ description: 'What the numbers beside it count.' });

/** A key of every method whose trained tensors lie in the layers. */
export const unfreezeSchedule = z
  .union([
    z.number().positive(),
    z.strictObject({ every: z.number().positive().meta({ description: 'Between two openings.' }), unit }),
    z.strictObject({
      at: z
        .array(z.number().min(0))
        .min(1)
        .meta({ description: 'How far the run is when each one opens, from the top layer down to the embeddings.' }),
      unit,
    }),
  ])
  .optional()
  .meta({
    description:
      'Layers rest at first and open one after the other, from the top: a number of epochs between two openings, or ' +
      'a mapping with `every` or `at`, and `unit`. What follows the layers is trained from the start, the embeddings open last.',
    takes: 'a number of epochs, or a mapping with every or at, and unit',
    defaultText: 'everything is trained from the first step',
    aliases: ['gradual_unfreezing', 'unfreeze_every', 'unfreeze_layers', 'unfreezing_schedule'],
  });

type Schedule = NonNullable<z.output<typeof unfreezeSchedule>>;

/** Steps after which the trained tensors of each depth open, the first of them at once. */
export function openings(schedule: Schedule, run: RunLength): NonNullable<Method['opensAfter']> {
  return (depths, blocks) => {
    const names = depths.map((depth) => nameOf(depth, blocks));
    const waiting = names.slice(1);
    if (waiting.length === 0) throw invalid(`nothing waits: all that is trained is ${names[0]}`, 'remove it');
    const { times, unit: counted } = timesOf(schedule, waiting);
    const steps = times.map((time) => (counted === 'steps' ? Math.ceil(time) : stepsAfter(time, run)));
    const late = steps.findIndex((step) => step >= run.totalSteps);
    if (late >= 0) {
      const time = Number.isFinite(steps[late]) ? `step ${steps[late]}` : 'the last epoch';
      const problem = `${waiting[late]} would open after ${time}, and the run ends after step ${run.totalSteps}`;
      throw invalid(problem, `let ${waiting.length} openings lie within the run, or train for longer`);
    }
    return [0, ...steps];
  };
}

function timesOf(schedule: Schedule, waiting: readonly string[]) {
  if (typeof schedule === 'number') return timesOf({ every: schedule, unit: 'epochs' }, waiting);
  if ('every' in schedule) return { ...schedule, times: waiting.map((_, i) => (i + 1) * schedule.every) };
  const { at: times } = schedule;
  if (times.length !== waiting.length) {
    const problem = `\`at\` has ${times.length} numbers, and ${waiting.length} groups wait: ${waiting.join(', ')}`;
    throw invalid(problem, 'give one for each, or `every`');
  }
  const early = times.findIndex((time, i) => time < (times[i - 1] ?? 0));
  if (early >= 0)
    throw invalid(`${waiting[early]} would open before ${waiting[early - 1]}`, 'give numbers that do not fall');
  return { ...schedule, times };
}

function nameOf(depth: number, blocks: number): string {
  if (depth > blocks) return 'what follows the layers';
  return depth === 0 ? 'the embeddings' : `layer ${depth - 1}`;
}

/** What binary fractions add to a share must not make a step of its own. */
const ROUNDING = 1e-9;

/** The first step after which so much of the data has been seen. */
function stepsAfter(epochs: number, { stepsOfEpoch }: RunLength): number {
  const whole = Math.floor(epochs + ROUNDING);
  if (whole >= stepsOfEpoch.length) return Number.POSITIVE_INFINITY;
  const before = stepsOfEpoch.slice(0, whole).reduce((a, b) => a + b, 0);
  return before + Math.ceil((epochs - whole) * stepsOfEpoch[whole]! - ROUNDING);
}

const invalid = (problem: string, fix: string): AttuneError =>
  new AttuneError({ code: 'CONFIG_INVALID', where: 'method.unfreeze_schedule', problem, fix });
