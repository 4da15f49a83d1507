/**
 * methods — one file per fine-tuning method: its settings, and what it wraps around a model's sites.
 * Imports models (sites), engine, errors. Invariant: a method names no model.
 */
import { AttuneError } from '../errors/index.ts';
import type { BasePrecision, Method } from '../models/nn/index.ts';
import { adapter } from './adapter.ts';
import { bitfit } from './bitfit.ts';
import type { Part } from './byRow/parts.ts';
import type { ModelFacts, TrainedPart } from './definition.ts';
import { dora } from './dora.ts';
import { freeze } from './freeze.ts';
import { full } from './full.ts';
import { ia3 } from './ia3.ts';
import { lnTuning } from './lnTuning.ts';
import { lora } from './lora.ts';
import { prefixTuning } from './prefixTuning.ts';
import { promptTuning } from './promptTuning.ts';
import { pTuning } from './pTuning.ts';
import { vera } from './vera.ts';

/** A recipe offers the methods of this table and no other: a new method adds its line here. */
export const methods = {
  full,
  freeze,
  bitfit,
  ln_tuning: lnTuning,
  lora,
  dora,
  vera,
  ia3,
  adapter,
  prompt_tuning: promptTuning,
  prefix_tuning: prefixTuning,
  p_tuning: pTuning,
};

export type MethodName = keyof typeof methods;
export type MethodSettings = { [Name in MethodName]: Parameters<(typeof methods)[Name]['attach']>[0] }[MethodName];
export type { ModelFacts } from './definition.ts';

// The name of the settings chooses the row, so the settings are the row's own.
const rowOf = (settings: MethodSettings) =>
  methods[settings.name] as {
    learningRate(settings: MethodSettings): number;
    positions?(settings: MethodSettings): number;
    attach(settings: MethodSettings, facts: ModelFacts): Method;
    byRow?(settings: MethodSettings, trained: TrainedPart): readonly Part[];
  };

export const attachMethod = (settings: MethodSettings, facts: ModelFacts): Method =>
  withDecay(rowOf(settings).attach(settings, facts), settings);

const withDecay = (method: Method, { layer_lr_decay: layerDecay }: MethodSettings): Method =>
  layerDecay === undefined ? method : { ...method, layerDecay };
/** How a run with these settings keeps the weights that it does not train. */
export const basePrecisionOf = (settings: MethodSettings): BasePrecision =>
  'base_precision' in settings ? settings.base_precision : 'fp32';
/** How many of the model's positions are not left for the text. */
export const positionsOf = (settings: MethodSettings): number => rowOf(settings).positions?.(settings) ?? 0;
/** What an adapter adds, for a batch in which each row may have another adapter. */
export const addedByRow = (settings: MethodSettings, trained: TrainedPart): readonly Part[] =>
  rowOf(settings).byRow?.(settings, trained) ?? [];
export const defaultLearningRate = (settings: MethodSettings): number => rowOf(settings).learningRate(settings);

/** Settings that were saved with an adapter. */
export function parseMethod(value: { readonly name: string }, where: string): MethodSettings {
  const row = Object.hasOwn(methods, value.name) ? methods[value.name as MethodName] : undefined;
  const parsed = row?.settings.safeParse(value);
  if (parsed?.success) return parsed.data;
  throw new AttuneError({
    code: 'ADAPTER_UNSUPPORTED',
    where,
    problem: `its method '${value.name}' ${row ? 'has settings that are not understood' : 'is not known here'}`,
    fix: `use an adapter of one of these methods: ${Object.keys(methods).join(', ')}`,
  });
}
