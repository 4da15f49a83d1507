/** The guards behind the loop's own: a model that cannot answer is neither measured further nor saved. */
import { AttuneError } from '../../../errors/index.ts';
import { areFinite } from '../../../training/index.ts';

export function refuseNotFiniteLoss(step: number, loss: number): void {
  if (Number.isFinite(loss)) return;
  throw notFinite(`evaluation after step ${step}`, `the loss on the validation data is ${loss}`);
}

/** The loop sees what an update did only in the next step, and after the last one there is none. */
export function refuseNotFiniteWeights(tensors: readonly { name: string; data: Float32Array }[]): void {
  const broken = tensors.find(({ data }) => !areFinite(data));
  if (broken) throw notFinite(broken.name, 'its values are infinite or not a number; they were not saved');
}

function notFinite(where: string, problem: string): AttuneError {
  const fix = 'lower training.learning_rate, or keep training.max_grad_norm at 1.0';
  return new AttuneError({ code: 'TRAINING_NOT_FINITE', where, problem, fix });
}
