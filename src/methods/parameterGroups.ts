/** Rates and decays of their own for some of what is trained, by the names of its tensors. Goes with every method. */
import { AttuneError } from '../errors/index.ts';
import type { Method, Parameter } from '../models/nn/index.ts';
import { holdsName, matchesWhole } from './pattern.ts';

/** `training.parameter_groups` */
export interface ParameterGroup {
  /** Whole names anywhere in the tensor's, or a regular expression over all of it. */
  readonly pattern: string;
  readonly learning_rate?: number | undefined;
  readonly learning_rate_scale?: number | undefined;
  readonly weight_decay?: number | undefined;
}

/** `learningRate`: the run's. The first group that fits a tensor is its group. */
export function parameterGroups(groups: readonly ParameterGroup[], learningRate: number): Method {
  const indexOf = (name: string): number => groups.findIndex(({ pattern }) => fits(pattern, name));
  return {
    name: 'parameter_groups',
    regrouped(parameter) {
      const group = groups[indexOf(parameter.name)];
      return group ? inGroup(parameter, group, learningRate) : parameter;
    },
    validate({ parameters }) {
      const names = parameters.filter(({ trainable }) => trainable).map(({ name }) => name);
      const used = new Set(names.map(indexOf));
      const idle = groups.findIndex((_, index) => !used.has(index));
      if (idle >= 0) throw unused(groups[idle]!, idle, names);
    },
  };
}

const fits = (pattern: string, name: string): boolean => holdsName(name, pattern) || matchesWhole(pattern, name);

function inGroup(parameter: Parameter, group: ParameterGroup, learningRate: number): Parameter {
  const { learning_rate: rate, learning_rate_scale: scale = 1, weight_decay: weightDecay } = group;
  const learningRateScale = rate === undefined ? parameter.learningRateScale * scale : rate / learningRate;
  return { ...parameter, learningRateScale, ...(weightDecay !== undefined && { weightDecay }) };
}

function unused({ pattern }: ParameterGroup, index: number, names: readonly string[]): AttuneError {
  const shown = [...new Set(names.map((name) => name.replace(/\.\d+\./g, '.N.')))].join(', ');
  const isTaken = names.some((name) => fits(pattern, name));
  return new AttuneError({
    code: 'CONFIG_INVALID',
    where: `training.parameter_groups[${index}].pattern`,
    problem: `'${pattern}' ${isTaken ? 'fits nothing that an earlier group has left' : 'fits nothing that is trained'}`,
    fix: isTaken ? 'put it before that group, or remove it' : `what is trained: ${shown}`,
  });
}
