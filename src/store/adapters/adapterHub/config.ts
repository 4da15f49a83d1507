/** AdapterHub's adapter_config.json (adapter-hub/adapters) to and from the settings of `adapter`, and to those of `lora`. */
import { AttuneError } from '../../../errors/index.ts';
import { type AdapterSettings, bottleneckOf } from '../../../methods/adapter.ts';
import { type MethodSettings, methods } from '../../../methods/index.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface HubConfig extends Fields {
  /** What the names of its tensors hold. */
  readonly name: string;
  readonly config: Fields;
  readonly model_name?: unknown;
  readonly model_type?: unknown;
  readonly version?: unknown;
}

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

const plainLora = {
  composition_mode: 'add',
  use_gating: false,
  leave_out: [],
  dtype: null,
  vera_d: null,
  vera_b: null,
  use_dora: false,
} as const;

/** The settings that a folder was made with. Refuses what would be computed otherwise than the library does. */
export function settingsFromHub(file: HubConfig, where: string): MethodSettings {
  const { config } = file;
  if (config['architecture'] === 'lora') return loraSettings(file, where);
  if (config['architecture'] !== undefined && config['architecture'] !== null) {
    throw cannotOpen(where, `config.architecture is ${JSON.stringify(config['architecture'])}`);
  }
  refuseOther(config, plainBottleneck, where);
  const { reduction_factor, non_linearity, scaling } = config;
  const placement = Object.entries(placements).find(([, fields]) =>
    Object.entries(fields).every(([field, value]) => (config[field] ?? false) === value),
  )?.[0];
  if (placement === undefined) throw cannotOpen(where, 'it stands at other places than houlsby, pfeiffer and parallel');
  const read = { name: 'adapter', placement, reduction_factor, non_linearity, scaling: scaling ?? 1 };
  return parsed(methods.adapter.settings.safeParse(read), where);
}

/** Layers of BERT by the library's names of matrices. */
const matrices: Readonly<Record<string, string>> = { q: 'query', k: 'key', v: 'value' };

function loraSettings({ config, version }: HubConfig, where: string): MethodSettings {
  refuseOther(config, plainLora, where);
  const attention = config['selfattn_lora'] === false ? [] : (config['attn_matrices'] as string[]);
  const targets = [
    ...attention.map((letter) => `attention.self.${matrices[letter]}`),
    ...(config['intermediate_lora'] ? ['intermediate.dense'] : []),
    ...(config['output_lora'] ? [String.raw`\d+.output.dense`] : []),
  ];
  const pattern = `.*\\.(${targets.join('|').replaceAll(/(?<!\\d\+)\./g, String.raw`\.`)})`;
  const { r, alpha, dropout = 0 } = config;
  // Before 1.1.0 the library left alpha out of the product.
  const used = isBefore(version, [1, 1]) ? r : alpha;
  const read = { name: 'lora', r, lora_alpha: used, lora_dropout: dropout, target_modules: pattern };
  return parsed(methods.lora.settings.safeParse(read), where);
}

function isBefore(version: unknown, [major, minor]: readonly [number, number]): boolean {
  const found = /^adapters\.(\d+)\.(\d+)/.exec(String(version));
  if (!found) return true;
  const [first, second] = found.slice(1).map(Number) as [number, number];
  return first < major || (first === major && second < minor);
}

function refuseOther(config: Fields, plain: Fields, where: string): void {
  for (const [field, value] of Object.entries(plain)) {
    const found = config[field] ?? value;
    if (JSON.stringify(found) === JSON.stringify(value)) continue;
    throw cannotOpen(where, `config.${field} is ${JSON.stringify(found)}`);
  }
}

type Parsed =
  | { success: true; data: unknown }
  | { success: false; error: { issues: { path: PropertyKey[]; message: string }[] } };

function parsed(result: Parsed, where: string): MethodSettings {
  if (result.success) return result.data as MethodSettings;
  const [issue] = result.error.issues;
  throw cannotOpen(where, `${issue!.path.join('.')}: ${issue!.message}`);
}

function cannotOpen(where: string, found: string): AttuneError {
  const fix = 'Attune opens bottleneck adapters (double_seq_bn, seq_bn, par_bn) and LoRA of AdapterHub';
  return new AttuneError({ code: 'ADAPTER_UNSUPPORTED', where, problem: `${found}, which is not read here`, fix });
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

export function hubFromSettings(settings: AdapterSettings, model: HubModel, kept?: HubConfig): HubConfig {
  const { placement, reductionFactor, nonLinearity, scaling } = bottleneckOf(settings);
  const own = {
    ...placements[placement],
    reduction_factor: reductionFactor,
    non_linearity: nonLinearity,
    scaling,
  };
  const config = { init_weights: 'mam_adapter', ...plainBottleneck, ...kept?.config, ...own };
  return { version: VERSION, ...kept, config, ...modelFields(model), name: kept?.name ?? OWN_NAME };
}

export const headFromLabels = (labels: readonly string[], model: HubModel) => ({
  config: null,
  label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
  name: null,
  num_labels: labels.length,
  version: VERSION,
  ...modelFields(model),
});
