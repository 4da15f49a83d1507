/** Trained tensors that learn nothing: no gradient reaches them, where one should. */
import type { Parameter } from '../../models/nn/index.ts';
import type { ParameterMemory } from '../parameterMemory.ts';
import type { GradientRegion } from '../tables.ts';

export interface GradientCheck {
  readonly region: GradientRegion;
  /** Whether a parameter is trained by now. */
  readonly isOpen: (parameter: Parameter) => boolean;
  /** Whether an update has moved the weights: some gradients are exactly zero until then. */
  readonly moved: boolean;
}

export function idleParameters({ trained }: ParameterMemory, { region, isOpen, moved }: GradientCheck): string[] {
  const idle: string[] = [];
  for (const [name, { parameter, arrays }] of trained) {
    const isExpected = parameter.gradient === 'always' || (parameter.gradient === 'afterUpdate' && moved);
    if (isOpen(parameter) && isExpected && !arrays[region].some((value) => value !== 0)) idle.push(name);
  }
  return idle;
}
