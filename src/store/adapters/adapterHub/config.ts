/** AdapterHub's adapter_config.json (adapter-hub/adapters) to and from the settings of `adapter`, and to those of `lora`. */
import { type AdapterSettings, bottleneckOf } from '../../../methods/adapter.ts';
import { type MethodSettings, methods } from '../../../methods/index.ts';
import { wrongField } from '../wrongField.ts';
import { anyFields, cannotOpen, checked, type Fields, type HubConfig, refuseOther } from './checks.ts';
import { loraSettings } from './lora.ts';

/** The file has the name that PEFT gives its own: only the fields tell one from the other. */
export const isHubConfig = (value: unknown): value is HubConfig =>
  typeof value === 'object' && value !== null && 'config' in value && !('peft_type' in value);

/** How the library spells the three placements. */
const placements = {
  houlsby: { mh_adapter: true, output_adapter: true, original_ln_before: false, is_parallel: false },
  pfeiffer: { mh_adapter: false, output_adapter: true, original_ln_before: true, is_parallel: false },
  parallel: { mh_adapter: false, output_adapter: true, original_ln_before: false, is_parallel: true },
} as const;

/** The library's defaults, which are also the only values of these that are computed here. */
const plainBottleneck = {
  original_ln_after: true,
  residual_before_ln: true,
  adapter_residual_before_ln: false,
  ln_before: false,
  ln_after: false,
  use_gating: false,
  inv_adapter: null,
  cross_adapter: false,
  leave_out: [],
  dropout: 0,
  phm_layer: false,
  stochastic_depth: 0,
} as const;

/** The settings that a folder was made with. Refuses what would be computed otherwise than the library does. */
export function settingsFromHub(file: HubConfig, where: string): MethodSettings {
  const { config } = checked(anyFields, file, where);
  if (config['architecture'] === 'lora') return loraSettings(file, where);
  if (config['architecture'] !== undefined && config['architecture'] !== null) {
    throw cannotOpen(where, `config.architecture is ${JSON.stringify(config['architecture'])}`);
  }
  refuseOther(config, plainBottleneck, where);
  const { reduction_factor, scaling } = config;
  const non_linearity = activationOf(file);
  const placement = Object.entries(placements).find(([, fields]) =>
    Object.entries(fields).every(([field, value]) => (config[field] ?? false) === value),
  )?.[0];
  if (placement === undefined) throw cannotOpen(where, 'it stands at other places than houlsby, pfeiffer and parallel');
  const read = { name: 'adapter', placement, reduction_factor, non_linearity, scaling: scaling ?? 1 };
  const settings = methods.adapter.settings.safeParse(read);
  if (settings.success) return settings.data;
  const [issue] = settings.error.issues;
  throw wrongField(file, { ...issue!, path: ['config', ...issue!.path] }, where);
}

/** What activations were called before files had a version. */
const olderActivations: ReadonlyMap<unknown, string> = new Map([
  ['gelu', 'gelu_new'],
  ['gelu_orig', 'gelu'],
]);

function activationOf({ config: { non_linearity: name }, version }: HubConfig): unknown {
  return version === undefined ? (olderActivations.get(name) ?? name) : name;
}

export interface HubModel {
  readonly name: string;
  readonly type: string;
  /** The class of Transformers that has the head. */
  readonly className: string;
  readonly hiddenSize: number;
}

/** The name under which our adapters stand in their tensors' names. */
const OWN_NAME = 'attune';
const VERSION = 'adapters.1.3.0';

const modelFields = ({ name, type, className, hiddenSize }: HubModel) => ({
  hidden_size: hiddenSize,
  model_class: className,
  model_name: name,
  model_type: type,
});

export function bottleneckFields(settings: AdapterSettings, kept?: HubConfig): Fields {
  const { placement, reductionFactor, nonLinearity, scaling } = bottleneckOf(settings);
  const own = {
    ...placements[placement],
    reduction_factor: reductionFactor,
    non_linearity: nonLinearity,
    scaling,
  };
  return { init_weights: 'mam_adapter', ...plainBottleneck, ...kept?.config, ...own };
}

/** The whole file around what the method says. */
export const hubConfig = (config: Fields, model: HubModel, kept?: HubConfig): HubConfig => ({
  version: VERSION,
  ...kept,
  config,
  ...modelFields(model),
  name: kept?.name ?? OWN_NAME,
});

export const headFromLabels = (labels: readonly string[], model: HubModel) => ({
  config: null,
  label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
  name: null,
  num_labels: labels.length,
  version: VERSION,
  ...modelFields(model),
});
