/** Trained tensors that learn nothing: no gradient reaches them, where one should. */
import type { ParameterMemory } from '../parameterMemory.ts';
import type { GradientRegion } from '../tables.ts';

export interface GradientCheck {
  readonly region: GradientRegion;
  /** Whether an update has moved the weights: some gradients are exactly zero until then. */
  readonly moved: boolean;
}

export function idleParameters({ trained }: ParameterMemory, { region, moved }: GradientCheck): string[] {
  const idle: string[] = [];
  for (const [name, { parameter, arrays }] of trained) {
    const isExpected = parameter.gradient === 'always' || (parameter.gradient === 'afterUpdate' && moved);
    if (isExpected && !arrays[region].some((value) => value !== 0)) idle.push(name);
  }
  return idle;
}
