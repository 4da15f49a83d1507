/** One model, one list of methods, one program: the forward graph and the parameters and masks it asked for. */
import type { Tensor } from '../../engine/graph/index.ts';
import { add } from '../../engine/ops/index.ts';
import { type Batch, batchInputs } from './batch.ts';
import type { AfterUpdate, Built, Method } from './method.ts';
import type { DeclaredParameter } from './parameter.ts';
import { type Build, type Mask, Scope } from './scope.ts';
import type { BasePrecision, OwnForms } from './storage.ts';

export interface Program<T> {
  readonly outputs: T;
  readonly parameters: readonly DeclaredParameter[];
  readonly masks: readonly Mask[];
  /** Weights and biases of linear layers with what the methods add to them, by name. */
  readonly merged: ReadonlyMap<string, Tensor>;
  /** What other programs read in place of what methods trained, by name. */
  readonly exported: ReadonlyMap<string, Tensor>;
  readonly linears: Built['linears'];
  /** What the model's blocks read and leave, in their order. */
  readonly boundaries: readonly Tensor[];
  /** Embeddings of the text that score tokens too: names of weights. */
  readonly tied: ReadonlySet<string>;
  /** What the methods add to the mean loss of a step: a function of trained parameters alone. */
  readonly penalty?: Tensor | undefined;
  /** What the methods do after each step. */
  readonly afterUpdate: readonly AfterUpdate[];
}

export interface ProgramOptions {
  readonly methods?: readonly Method[];
  readonly batch?: Batch | undefined;
  /** How frozen weights of linear layers are kept. */
  readonly basePrecision?: BasePrecision | undefined;
  /** Of the file that frozen weights come from. */
  readonly ownForms?: OwnForms | undefined;
  /** For models that only answer: products with frozen weights of few bits round what they read to 8 bits. */
  readonly rounds?: boolean | undefined;
  /** What linear layers that are trained compute in. */
  readonly precision?: Build['precision'] | undefined;
  /** For long texts: no matrix of all queries and all keys is held, but one of a part of the queries (`queryParts`). */
  readonly queryParts?: number | undefined;
  /** Left out: no dropout, as in evaluation. */
  readonly dropoutRate?: Build['dropoutRate'];
}

export function buildProgram<T>(forward: (root: Scope, batch: Batch) => T, options: ProgramOptions = {}): Program<T> {
  const { batch = batchInputs(), dropoutRate, ownForms, queryParts = 1 } = options;
  const { basePrecision = 'fp32', precision = 'fp32', rounds = false } = options;
  const methods = surveyed(forward, options);
  const build: Build = {
    methods,
    dropoutRate,
    basePrecision,
    ownForms,
    precision,
    rounds,
    queryParts,
    parameters: new Map(),
    masks: new Map(),
    linears: [],
    embeddings: [],
    merged: new Map(),
    exported: new Map(),
    boundaries: new Set(),
    tied: new Set(),
    depth: 0,
    blocks: Number.POSITIVE_INFINITY,
  };
  const read = methods.reduce((current, method) => method.batch?.(current) ?? current, batch);
  const outputs = forward(new Scope(build), read);
  const { linears, embeddings, blocks, merged, exported, tied } = build;
  const declared = staged(decayed([...build.parameters.values()], methods, blocks), methods, blocks);
  const parameters = regrouped(declared, methods).map((one) => alsoHead(one, tied));
  const built = { parameters: parameters.map(({ parameter }) => parameter), linears, embeddings, blocks };
  for (const method of methods) method.validate?.(built);
  const additions = {
    penalty: sumOf(methods.flatMap((method) => method.penalty?.(parameters, built) ?? [])),
    afterUpdate: methods.flatMap((method) => method.afterUpdate?.(built) ?? []),
  };
  const masks = [...build.masks.values()];
  const boundaries = [...build.boundaries];
  return { outputs, parameters, masks, linears, merged, exported, boundaries, tied, ...additions };
}

function sumOf([first, ...others]: readonly Tensor[]): Tensor | undefined {
  return first && others.reduce(add, first);
}

function surveyed<T>(forward: (root: Scope, batch: Batch) => T, { methods = [], batch }: ProgramOptions) {
  if (!methods.some(({ survey }) => survey)) return methods;
  let found: Built | undefined;
  const looking: Method = { name: 'survey', validate: (built) => (found = built) };
  buildProgram(forward, { methods: [looking], batch });
  const settled = (method: Method): Method => ({ ...method, ...method.survey?.(found!) });
  return methods.map(settled);
}

/** Rates by depth: known once the last block is. */
function decayed(
  parameters: Program<unknown>['parameters'],
  methods: readonly Method[],
  blocks: number,
): Program<unknown>['parameters'] {
  const decay = methods.reduce((product, { layerDecay = 1 }) => product * layerDecay, 1);
  if (decay === 1) return parameters;
  return parameters.map(({ parameter, tensor }) => {
    const learningRateScale = parameter.learningRateScale * decay ** Math.max(0, blocks + 1 - parameter.depth);
    return { parameter: { ...parameter, learningRateScale }, tensor };
  });
}

/** Rests by depth: known once it is known what is trained. */
function staged(
  parameters: Program<unknown>['parameters'],
  methods: readonly Method[],
  blocks: number,
): Program<unknown>['parameters'] {
  const stages = methods.flatMap(({ opensAfter }) => opensAfter ?? []);
  if (stages.length === 0) return parameters;
  const trained = parameters.filter(({ parameter }) => parameter.trainable);
  const depths = [...new Set(trained.map(({ parameter: { depth } }) => depth))].sort((a, b) => b - a);
  if (depths.length === 0) return parameters;
  const steps = stages.map((stage) => stage(depths, blocks));
  return parameters.map(({ parameter, tensor }) => {
    const place = depths.indexOf(parameter.depth);
    const opensAfter = parameter.trainable ? Math.max(...steps.map((own) => own[place]!)) : 0;
    return { parameter: { ...parameter, opensAfter }, tensor };
  });
}

function regrouped(parameters: Program<unknown>['parameters'], methods: readonly Method[]) {
  return parameters.map(({ parameter, tensor }) => {
    const own = methods.reduce((current, method) => method.regrouped?.(current) ?? current, parameter);
    return { parameter: parameter.trainable ? own : parameter, tensor };
  });
}

function alsoHead({ parameter, tensor }: DeclaredParameter, tied: ReadonlySet<string>): DeclaredParameter {
  return { parameter: tied.has(parameter.name) ? { ...parameter, alsoNamed: 'lm_head.weight' } : parameter, tensor };
}

export const trainedOf = ({ parameters }: Program<unknown>): Program<unknown>['parameters'] =>
  parameters.filter(({ parameter }) => parameter.trainable);
