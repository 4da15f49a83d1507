/** One model, one list of methods, one program: the forward graph and the parameters and masks it asked for. */
import type { Tensor } from '../../engine/graph/index.ts';
import { type Batch, batchInputs } from './batch.ts';
import type { Method } from './method.ts';
import type { Parameter } from './parameter.ts';
import { type Build, type Mask, Scope } from './scope.ts';

export interface Program<T> {
  readonly outputs: T;
  readonly parameters: readonly { readonly parameter: Parameter; readonly tensor: Tensor }[];
  readonly masks: readonly Mask[];
}

export interface ProgramOptions {
  readonly methods?: readonly Method[];
  readonly batch?: Batch;
  /** Left out: no dropout, as in evaluation. */
  readonly dropoutRate?: Build['dropoutRate'];
}

export function buildProgram<T>(forward: (root: Scope, batch: Batch) => T, options: ProgramOptions = {}): Program<T> {
  const { methods = [], batch = batchInputs(), dropoutRate = () => 0 } = options;
  const build: Build = {
    methods,
    dropoutRate,
    parameters: new Map(),
    masks: new Map(),
    depth: 0,
    blocks: Number.POSITIVE_INFINITY,
  };
  const outputs = forward(new Scope(build), batch);
  return { outputs, parameters: [...build.parameters.values()], masks: [...build.masks.values()] };
}

export const trainedOf = ({ parameters }: Program<unknown>): Program<unknown>['parameters'] =>
  parameters.filter(({ parameter }) => parameter.trainable);
