/**
 * methods — one file per fine-tuning method: its settings, and what it wraps around a model's sites.
 * Imports models (sites), engine, errors. Invariant: a method names no model.
 */
import { AttuneError } from '../errors/index.ts';
import type { BasePrecision, Built, Method } from '../models/nn/index.ts';
import { adalora } from './adalora/adalora.ts';
import { adapter } from './adapter.ts';
import { bitfit } from './bitfit.ts';
import type { Part } from './byRow/parts.ts';
import type { ModelFacts, RunLength, TrainedPart } from './definition.ts';
import { dora } from './dora.ts';
import { freeze } from './freeze.ts';
import { full } from './full.ts';
import { ia3 } from './ia3.ts';
import { lnTuning } from './lnTuning.ts';
import { lora } from './lora.ts';
import { prefixTuning } from './prompts/prefixTuning.ts';
import { promptTuning } from './prompts/promptTuning.ts';
import { pTuning } from './prompts/pTuning.ts';
import { refuseIdleExclusions } from './targets.ts';
import { refuseUntied, type Tying } from './tying.ts';
import { openings } from './unfreezing.ts';
import { vera } from './vera.ts';

/** A recipe offers the methods of this table and no other: a new method adds its line here. */
export const methods = {
  full,
  freeze,
  bitfit,
  ln_tuning: lnTuning,
  lora,
  adalora,
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
    settled?(settings: MethodSettings, run: Pick<RunLength, 'totalSteps'>): MethodSettings;
    baseChange?(settings: MethodSettings): string | undefined;
    attach(settings: MethodSettings, facts: ModelFacts): Method;
    byRow?(settings: MethodSettings, trained: TrainedPart): readonly Part[];
  };

export function attachMethod(settings: MethodSettings, facts: ModelFacts): Method {
  const layerDecay = 'layer_lr_decay' in settings ? settings.layer_lr_decay : undefined;
  const schedule = 'unfreeze_schedule' in settings ? settings.unfreeze_schedule : undefined;
  const method = rowOf(settings).attach(settings, facts);
  const { shape } = methods[settings.name].settings;
  const known = { canTie: 'ensure_weight_tying' in shape, facts };
  const validate = (built: Built): void => {
    if ('modules_to_save' in shape) refuseUntied(settings as Tying, built, known);
    method.validate?.(built);
    // A saved adapter answers as it was trained, whatever its settings wished.
    if (facts.run && 'exclude_modules' in settings) refuseIdleExclusions(settings, built);
  };
  return {
    ...method,
    validate,
    ...(layerDecay !== undefined && { layerDecay }),
    ...(schedule !== undefined && facts.run && { opensAfter: openings(schedule, facts.run) }),
  };
}

/** The method of an adapter that was saved: what is refused there is told with its folder. */
export const attachSaved = (
  { method, folder }: { readonly method: MethodSettings; readonly folder: string },
  facts: ModelFacts,
): Method => attachMethod(method, { ...facts, savedIn: folder });

/** The settings of a run of this length, with nothing left open. */
export const settledMethod = (settings: MethodSettings, run: Pick<RunLength, 'totalSteps'>): MethodSettings =>
  rowOf(settings).settled?.(settings, run) ?? settings;

/** How a run with these settings keeps the weights that it does not train. */
export const basePrecisionOf = (settings: MethodSettings): BasePrecision =>
  'base_precision' in settings ? settings.base_precision : 'fp32';
/** What a method does to frozen weights when it is opened, in words; undefined: nothing. */
export const baseChangeOf = (settings: MethodSettings): string | undefined => rowOf(settings).baseChange?.(settings);
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
