/** How PEFT writes down each method that it has (huggingface/peft): one row a method. A method without a row leaves its tensors alone. */
import type { NamedTensor } from '../../../files/index.ts';
import { baseChangeOf, type MethodName, type MethodSettings, type ModelFacts } from '../../../methods/index.ts';
import { withoutEmptyRanks } from './emptyRanks.ts';
import { feedforwardFields } from './feedforward.ts';

export type PeftConfig = Readonly<Record<string, unknown>>;

/** Tensors of which a part is left out, and the fields that say which. */
export interface Reduced {
  readonly tensors: readonly NamedTensor[];
  readonly fields: PeftConfig;
}

export interface PeftForm {
  readonly type: string;
  /** Fields that have a setting of the same name and meaning. */
  readonly shared: readonly string[];
  /** What is written of those that are left open, where that is not null. */
  readonly unset?: PeftConfig;
  /** What PEFT takes where the file leaves a field out, and we would take something else. */
  readonly defaults: PeftConfig;
  /** Fields that change the arithmetic, and the values with which they do not. */
  readonly harmless: Readonly<Record<string, readonly unknown[]>>;
  /** What is written where an earlier file does not say. */
  readonly written: PeftConfig;
  /** What is written in any case. */
  readonly fixed: PeftConfig;
  /** The method whose settings are read from such a folder; left out: the one that wrote it. */
  readonly readAs?: MethodName;
  /** Nothing wraps the model's layers: the names of tensors have one root less. */
  readonly isBesideModel?: boolean;
  /** What PEFT keeps of the tensors; undefined, as where it is left out: all of them. */
  readonly reduced?: (tensors: readonly NamedTensor[], settings: PeftConfig) => Reduced | undefined;
  /** It may choose layers by their numbers, too. */
  readonly hasNumbers?: boolean;
  /** Fields that follow from what was trained; left out: none. */
  readonly fitted?: (config: PeftConfig, tensors: readonly NamedTensor[]) => PeftConfig;
  /** Fields that name layers, where the settings leave that to the model. */
  readonly layers: (facts: ModelFacts) => Readonly<Record<string, readonly string[]>>;
}

const openSizes = { num_transformer_submodules: 1, num_attention_heads: null, num_layers: null, token_dim: null };

const lowRank: PeftForm = {
  type: 'LORA',
  shared: [
    'r',
    'lora_alpha',
    'lora_dropout',
    'target_modules',
    'exclude_modules',
    'modules_to_save',
    'ensure_weight_tying',
    'use_rslora',
    'rank_pattern',
    'alpha_pattern',
    'bias',
  ],
  unset: { ensure_weight_tying: false },
  defaults: { r: 8, lora_alpha: 8 },
  harmless: {
    lora_bias: [false],
    use_qalora: [false],
    use_bdlora: [null, false],
    layer_replication: [null],
    trainable_token_indices: [null],
    target_parameters: [null],
    arrow_config: [null],
    kasa_config: [null],
    velora_config: [null],
    monteclora_config: [null],
    alora_invocation_tokens: [null],
    // The other starts change the base: the saved matrices are only right beside the changed base.
    init_lora_weights: [true, false, 'gaussian', 'orthogonal', 'eva', 'mica'],
  },
  written: {
    fan_in_fan_out: false,
    init_lora_weights: true,
    layers_to_transform: null,
    layers_pattern: null,
    lora_bias: false,
  },
  fixed: { use_dora: false },
  hasNumbers: true,
  layers: ({ queryAndValue }) => ({ target_modules: queryAndValue }),
};

const adalora: PeftForm = {
  type: 'ADALORA',
  shared: [
    'init_r',
    'target_r',
    'tinit',
    'tfinal',
    'deltaT',
    'total_step',
    'beta1',
    'beta2',
    'orth_reg_weight',
    'lora_alpha',
    'lora_dropout',
    'target_modules',
    'exclude_modules',
    'modules_to_save',
    'ensure_weight_tying',
    'bias',
    'rank_pattern',
  ],
  unset: { ensure_weight_tying: false },
  defaults: { lora_alpha: 8, tinit: 0, tfinal: 0 },
  harmless: {
    lora_bias: [false],
    layer_replication: [null],
    trainable_token_indices: [null],
    target_parameters: [null],
  },
  written: {
    fan_in_fan_out: false,
    init_lora_weights: true,
    layers_to_transform: null,
    layers_pattern: null,
    lora_bias: false,
  },
  fixed: {},
  hasNumbers: true,
  reduced: withoutEmptyRanks,
  layers: ({ queryAndValue }) => ({ target_modules: queryAndValue }),
};

const vera: PeftForm = {
  type: 'VERA',
  shared: ['r', 'd_initial', 'vera_dropout', 'target_modules', 'modules_to_save'],
  defaults: {},
  // Without its projections an adapter needs PyTorch's random numbers.
  harmless: { bias: ['none'], save_projection: [true] },
  written: { fan_in_fan_out: false, projection_prng_key: 0, init_weights: true, bias: 'none' },
  fixed: { save_projection: true },
  hasNumbers: true,
  layers: ({ queryAndValue }) => ({ target_modules: queryAndValue }),
};

const ia3: PeftForm = {
  type: 'IA3',
  shared: ['target_modules', 'exclude_modules', 'feedforward_modules', 'modules_to_save'],
  defaults: {},
  harmless: {},
  written: { fan_in_fan_out: false, init_ia3_weights: true },
  fixed: {},
  fitted: feedforwardFields,
  layers: ({ keyAndValue, sublayerEnds }) => ({
    target_modules: [...keyAndValue, ...sublayerEnds],
    feedforward_modules: sublayerEnds,
  }),
};

const lnTuning: PeftForm = {
  type: 'LN_TUNING',
  shared: ['target_modules', 'modules_to_save'],
  defaults: {},
  harmless: { exclude_modules: [null] },
  written: {},
  fixed: {},
  layers: ({ norms }) => ({ target_modules: norms }),
};

const promptTuning: PeftForm = {
  type: 'PROMPT_TUNING',
  shared: ['num_virtual_tokens'],
  defaults: {},
  harmless: { num_transformer_submodules: [1, null] },
  // The sizes that are left open PEFT takes from the model.
  written: { ...openSizes, prompt_tuning_init: 'RANDOM', prompt_tuning_init_text: null, tokenizer_name_or_path: null },
  fixed: {},
  isBesideModel: true,
  layers: () => ({}),
};

const prefixTuning: PeftForm = {
  ...promptTuning,
  type: 'PREFIX_TUNING',
  written: { ...openSizes, encoder_hidden_size: null },
  fixed: { prefix_projection: false },
};

/** Such a folder has the vectors, and not the network that made them. */
const pTuning: PeftForm = {
  ...promptTuning,
  type: 'P_TUNING',
  written: { ...openSizes, encoder_reparameterization_type: 'MLP', encoder_num_layers: 2, encoder_dropout: 0 },
  readAs: 'prompt_tuning',
};

export const peftForms: Readonly<Partial<Record<MethodName, PeftForm>>> = {
  lora: lowRank,
  dora: { ...lowRank, fixed: { use_dora: true } },
  adalora,
  vera,
  ia3,
  ln_tuning: lnTuning,
  prompt_tuning: promptTuning,
  prefix_tuning: prefixTuning,
  p_tuning: pTuning,
};

export const hasPeftForm = (settings: MethodSettings): boolean =>
  peftForms[settings.name] !== undefined && baseChangeOf(settings) === undefined;
