/** PEFT's adapter_config.json to and from the settings of a method. */
import { AttuneError } from '../../../errors/index.ts';
import { type MethodName, type MethodSettings, type ModelFacts, methods } from '../../../methods/index.ts';
import { wrongField } from '../wrongField.ts';
import { type PeftConfig, type PeftForm, peftForms } from './forms.ts';

/** The settings that a PEFT folder was made with. Refuses what would be computed otherwise than PEFT does. */
export function settingsFromPeft(config: PeftConfig, where: string): MethodSettings {
  const [name, form] = formOf(config, where);
  for (const [field, harmless] of Object.entries(form.harmless)) {
    const value = config[field];
    if (value === undefined || harmless.includes(value)) continue;
    throw cannotOpen(where, `${field} is ${JSON.stringify(value)}, which is not read here`, fixes[field] ?? merging);
  }
  const given = form.shared.filter((field) => config[field] !== undefined && config[field] !== null);
  const read = {
    ...form.defaults,
    ...Object.fromEntries(given.map((field) => [field, config[field]])),
    name: form.readAs ?? name,
  };
  const { settings } = methods[form.readAs ?? name];
  // Where a method has no such list, the file's tensors say the same.
  const modules = form.shared.includes('modules_to_save') ? { modules_to_save: ownModules(config) } : {};
  const parsed = settings.safeParse(withoutEmptyLists({ ...read, ...modules }));
  if (parsed.success) return parsed.data as MethodSettings;
  throw wrongField(config, parsed.error.issues[0]!, where);
}

const merging = 'merge it with PEFT (merge_and_unload), save that, and open the whole model';
const namingLayers =
  'name these layers in target_modules (a regular expression: ".*\\.(0|1)\\..*query") and write null here';

/** What helps where a field has a value that is not read; left out: merging. */
const fixes: Readonly<Record<string, string>> = {
  layers_to_transform: namingLayers,
  layers_pattern: namingLayers,
  init_lora_weights:
    'save it as a plain LoRA with PEFT: save_pretrained(…, path_initial_model_for_weight_conversion=…)',
  save_projection: 'save it with PEFT again, with save_projection=True',
};

const formsByName = Object.entries(peftForms) as [MethodName, PeftForm][];

function formOf(config: PeftConfig, where: string): [MethodName, PeftForm] {
  const isMeant = ({ type, fixed }: PeftForm): boolean =>
    config['peft_type'] === type && (fixed['use_dora'] ?? false) === (config['use_dora'] ?? false);
  const found = formsByName.find(([, form]) => isMeant(form));
  if (found) return found;
  const types = [...new Set(formsByName.map(([, { type }]) => type))].join(', ');
  throw cannotOpen(
    where,
    `peft_type is ${JSON.stringify(config['peft_type'])}, which is not read here`,
    `Attune opens adapters of these types: ${types}; ${merging}`,
  );
}

/** PEFT adds these to every classifier's list, whether the model has them or not; the head is always saved here. */
const headNames = new Set(['classifier', 'score']);
const ownModules = ({ modules_to_save: names }: PeftConfig): unknown =>
  Array.isArray(names) ? [...new Set(names)].filter((name) => !headNames.has(name)) : [];

const withoutEmptyLists = (fields: PeftConfig) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => !(Array.isArray(value) && value.length === 0)));

const cannotOpen = (where: string, problem: string, fix: string): AttuneError =>
  new AttuneError({ code: 'ADAPTER_UNSUPPORTED', where, problem, fix });

export interface PeftIdentity {
  readonly baseName: string;
  readonly facts: ModelFacts;
  /** Linear layers that the adapter changes. */
  readonly adapted: readonly string[];
  /** Modules of the task's head, which are saved whole. */
  readonly headModules: readonly string[];
  readonly taskType: string;
}

/** adapter_config.json as PEFT writes it. Fields of `kept` that have no setting here are written back unchanged. */
export function peftFromSettings(settings: MethodSettings, identity: PeftIdentity, kept: PeftConfig = {}): PeftConfig {
  const { baseName, facts, adapted, headModules, taskType } = identity;
  const form = peftForms[settings.name]!;
  const set = settings as MethodSettings & PeftConfig;
  const own = Object.fromEntries(form.shared.map((field) => [field, set[field] ?? null]));
  const layers = Object.entries(form.layers(facts)).map(([field, names]) => [field, set[field] ?? names]);
  const saved = [...new Set([...headModules, ...((set['modules_to_save'] as string[] | undefined) ?? [])])];
  // To other programs `all-linear` means other layers, and an expression may reach modules that are none: the layers are named.
  const isOpen = typeof set['target_modules'] === 'string' && adapted.length > 0;
  return {
    task_type: taskType,
    auto_mapping: null,
    revision: null,
    ...form.written,
    // Where it is another, PEFT warns and takes the model's.
    ...('fan_in_fan_out' in form.written && { fan_in_fan_out: facts.fanInFanOut ?? false }),
    ...(kept['peft_type'] === form.type && kept),
    ...form.fixed,
    ...own,
    ...Object.fromEntries(layers),
    ...(isOpen && { target_modules: adapted }),
    peft_type: form.type,
    base_model_name_or_path: baseName,
    inference_mode: true,
    modules_to_save: saved.length > 0 ? saved : null,
  };
}
