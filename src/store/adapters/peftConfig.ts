/** PEFT's adapter_config.json to and from the settings of `method: lora` (huggingface/peft, LoraConfig). */
import { AttuneError } from '../../errors/index.ts';
import { methods } from '../../methods/index.ts';
import type { LoraSettings } from '../../methods/lora.ts';

export type PeftConfig = Readonly<Record<string, unknown>>;

/** Fields that have a setting of the same name and meaning. */
const shared = [
  'r',
  'lora_alpha',
  'lora_dropout',
  'target_modules',
  'exclude_modules',
  'modules_to_save',
  'use_rslora',
  'rank_pattern',
  'alpha_pattern',
  'bias',
] as const;

/** Fields that change the arithmetic, and the values with which they do not. */
const unsupported: Readonly<Record<string, readonly unknown[]>> = {
  use_dora: [false],
  lora_bias: [false],
  use_qalora: [false],
  use_bdlora: [null, false],
  layers_to_transform: [null],
  layers_pattern: [null],
  layer_replication: [null],
  trainable_token_indices: [null],
  target_parameters: [null],
  arrow_config: [null],
  kasa_config: [null],
  velora_config: [null],
  monteclora_config: [null],
  alora_invocation_tokens: [null],
  // These starts subtract from the base: the saved matrices are only right beside the changed base.
  init_lora_weights: [true, false, 'gaussian', 'orthogonal', 'eva', 'loftq'],
};

/** The settings that a PEFT folder was made with. Refuses what would be computed otherwise than PEFT does. */
export function settingsFromPeft(config: PeftConfig, where: string): LoraSettings {
  if (config.peft_type !== 'LORA') throw cannotOpen(where, `peft_type is ${JSON.stringify(config.peft_type)}`);
  for (const [field, harmless] of Object.entries(unsupported)) {
    const value = config[field];
    if (value === undefined || harmless.includes(value)) continue;
    throw cannotOpen(where, `${field} is ${JSON.stringify(value)}`);
  }
  const given = shared.filter((field) => config[field] !== undefined && config[field] !== null);
  // PEFT's own defaults, where the file leaves a field out.
  const defaults = { r: 8, lora_alpha: 8 };
  const read = { ...defaults, ...Object.fromEntries(given.map((field) => [field, config[field]])), name: 'lora' };
  const parsed = methods.lora.settings.safeParse(withoutEmptyLists({ ...read, modules_to_save: ownModules(config) }));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw cannotOpen(where, `${issue!.path.join('.')}: ${issue!.message}`);
}

/** PEFT adds these to every classifier's list, whether the model has them or not; the head is always saved here. */
const headNames = new Set(['classifier', 'score']);
const ownModules = ({ modules_to_save: names }: PeftConfig): unknown =>
  Array.isArray(names) ? [...new Set(names)].filter((name) => !headNames.has(name)) : [];

const withoutEmptyLists = (fields: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => !(Array.isArray(value) && value.length === 0)));

function cannotOpen(where: string, found: string): AttuneError {
  return new AttuneError({
    code: 'ADAPTER_UNSUPPORTED',
    where,
    problem: `${found}, which is not read here`,
    fix: 'Attune opens LoRA adapters (peft_type LORA) that stand beside an unchanged base; convert it with PEFT first',
  });
}

export interface PeftIdentity {
  readonly baseName: string;
  readonly targetModules: string | readonly string[];
  /** Modules of the task's head, which are saved whole. */
  readonly headModules: readonly string[];
}

/** adapter_config.json as PEFT writes it. Fields of `kept` that have no setting here are written back unchanged. */
export function peftFromSettings(settings: LoraSettings, identity: PeftIdentity, kept: PeftConfig = {}): PeftConfig {
  const { baseName, targetModules, headModules } = identity;
  const own = Object.fromEntries(shared.map((field) => [field, settings[field] ?? null]));
  return {
    task_type: 'SEQ_CLS',
    peft_type: 'LORA',
    auto_mapping: null,
    revision: null,
    fan_in_fan_out: false,
    init_lora_weights: true,
    layers_to_transform: null,
    layers_pattern: null,
    lora_bias: false,
    use_dora: false,
    ...kept,
    ...own,
    base_model_name_or_path: baseName,
    inference_mode: true,
    target_modules: targetModules,
    modules_to_save: [...new Set([...headModules, ...(settings.modules_to_save ?? [])])],
  };
}

const ROOT = 'base_model.model.';

/** Our name of a tensor as PEFT writes it, and back. PEFT wraps the base layer of an adapted one. */
export const peftName = (name: string, adaptedLayers: ReadonlySet<string>): string => {
  const module = name.slice(0, name.lastIndexOf('.'));
  const wrapped = adaptedLayers.has(module) ? `${module}.base_layer${name.slice(module.length)}` : name;
  return `${ROOT}${wrapped}`;
};

/** Undefined for a name that PEFT does not give. */
export function ownName(peft: string): string | undefined {
  return peft.startsWith(ROOT) ? peft.slice(ROOT.length).replace('.base_layer.', '.') : undefined;
}

/** With `bias: all` PEFT saves the head's bias again, and the base's own: copies that it does not read either. */
export const isCopy = (peft: string): boolean => /\.(modules_to_save|original_module)\.[^.]+$/.test(peft);
