/** PEFT's adapter_config.json to and from the settings of a method. */
import { type MethodName, type MethodSettings, type ModelFacts, methods } from '../../../methods/index.ts';
import { wrongField } from '../wrongField.ts';
import { cannotOpen } from './cannotOpen.ts';
import { type PeftConfig, type PeftForm, peftForms } from './forms.ts';
import { numberFields, withNumbersInTargets } from './layers.ts';
import { savedModules, type Weight } from './savedModules.ts';
import { tiesIn, withTiedNames } from './tying.ts';

/** The settings that a PEFT folder was made with. Refuses what would be computed otherwise than PEFT does. */
export function settingsFromPeft(config: PeftConfig, where: string): MethodSettings {
  const [name, form] = formOf(config, where);
  for (const [field, harmless] of Object.entries(form.harmless)) {
    const value = config[field];
    if (value === undefined || harmless.includes(value)) continue;
    throw cannotOpen(where, `${field} is ${JSON.stringify(value)}, which is not read here`, fixOf(field, value));
  }
  const numbered = form.hasNumbers ? withNumbersInTargets(config, where) : config;
  const known: PeftConfig = { ...numbered, ensure_weight_tying: tiesIn(config) || undefined };
  const given = form.shared.filter((field) => known[field] !== undefined && known[field] !== null);
  const read = {
    ...form.defaults,
    ...Object.fromEntries(given.map((field) => [field, known[field]])),
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

/** What helps where a field has a value that is not read; left out: merging. */
const fixes: Readonly<Record<string, string>> = {
  save_projection: 'save it with PEFT again, with save_projection=True',
};

/** Starts that PEFT itself takes off again; those of rounded weights (LoftQ) it does not. */
const movedStarts = /^(pissa|olora|corda|lora_ga)/;

function fixOf(field: string, value: unknown): string {
  if (field === 'init_lora_weights' && movedStarts.test(String(value)))
    return 'save it as a plain LoRA with PEFT: save_pretrained(…, path_initial_model_for_weight_conversion=…)';
  return fixes[field] ?? merging;
}

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

/** An empty list chooses nothing; only of IA³'s it says something. */
const withoutEmptyLists = (fields: PeftConfig) =>
  Object.fromEntries(
    Object.entries(fields).filter(
      ([field, value]) => field === 'feedforward_modules' || !(Array.isArray(value) && value.length === 0),
    ),
  );

export interface PeftIdentity {
  readonly baseName: string;
  readonly revision?: string | undefined;
  readonly facts: ModelFacts;
  /** Linear layers that the adapter changes. */
  readonly adapted: readonly string[];
  /** Modules of the task's head, which are saved whole. */
  readonly headModules: readonly string[];
  readonly taskType: string;
  /** The model's weights; left out where nothing but the head is trained whole. */
  readonly weights?: readonly Weight[] | undefined;
}

/** adapter_config.json as PEFT writes it. Fields of `kept` that have no setting here are written back unchanged. */
export function peftFromSettings(settings: MethodSettings, identity: PeftIdentity, kept: PeftConfig = {}): PeftConfig {
  const { baseName, revision = null, facts, adapted, headModules, taskType, weights = [] } = identity;
  const form = peftForms[settings.name]!;
  const set = settings as MethodSettings & PeftConfig;
  const own = Object.fromEntries(form.shared.map((field) => [field, set[field] ?? form.unset?.[field] ?? null]));
  const layers = Object.entries(form.layers(facts)).map(([field, names]) => [field, set[field] ?? names]);
  const whole = savedModules((set['modules_to_save'] as string[] | undefined) ?? [], weights);
  const tied = set['ensure_weight_tying'] === true ? withTiedNames(whole, weights) : whole;
  const saved = [...new Set([...headModules, ...tied])];
  // To other programs `all-linear` means other layers, and an expression may reach modules that are none: the layers are named.
  const isOpen = typeof set['target_modules'] === 'string' && adapted.length > 0;
  return {
    task_type: taskType,
    auto_mapping: null,
    ...form.written,
    // Where it is another, PEFT warns and takes the model's.
    ...('fan_in_fan_out' in form.written && { fan_in_fan_out: facts.fanInFanOut ?? false }),
    ...(kept['peft_type'] === form.type && kept),
    ...form.fixed,
    ...own,
    ...Object.fromEntries(layers),
    ...(isOpen && { target_modules: adapted }),
    ...(form.hasNumbers && numberFields(set['target_modules'], kept)),
    peft_type: form.type,
    base_model_name_or_path: baseName,
    revision,
    inference_mode: true,
    modules_to_save: saved.length > 0 ? saved : null,
  };
}
