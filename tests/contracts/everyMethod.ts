/** One setting of every method, in which it trains something in the middle of the model. */
import { type MethodName, type MethodSettings, methods } from '../../src/methods/index.ts';

const given = {
  full: {},
  freeze: { trainable: 1 },
  bitfit: {},
  ln_tuning: {},
  lora: { target_modules: 'all-linear' },
  adalora: { target_modules: 'all-linear', init_r: 4, target_r: 2, tinit: 0, tfinal: 2, total_step: 5, lora_alpha: 64 },
  dora: { target_modules: 'all-linear', r: 4 },
  vera: { target_modules: 'all-linear', r: 8 },
  ia3: {},
  prompt_tuning: { num_virtual_tokens: 3 },
  prefix_tuning: { num_virtual_tokens: 3 },
  p_tuning: { num_virtual_tokens: 3 },
  adapter: { placement: 'houlsby', reduction_factor: 4 },
} as const satisfies Record<MethodName, object>;

export const everyMethod = Object.fromEntries(
  Object.entries(given).map(([name, settings]) => [
    name,
    methods[name as MethodName].settings.parse({ name, ...settings }),
  ]),
) as Record<MethodName, MethodSettings>;

const starts = {
  gaussian: {},
  pissa: {},
  olora: {},
  loftq: { base_precision: 'int8', loftq_iter: 2, target_modules: 'all-linear' },
};

/** LoRA from each of its other starts. */
export const everyInit = Object.fromEntries(
  Object.entries(starts).map(([init, settings]) => [
    `lora_${init}`,
    methods.lora.settings.parse({ name: 'lora', r: 4, init, ...settings }),
  ]),
);

const variants = {
  adapter_pfeiffer: { name: 'adapter', placement: 'pfeiffer', reduction_factor: 4 },
  adapter_parallel: { name: 'adapter', placement: 'parallel', reduction_factor: 4 },
  prefix_projection: { name: 'prefix_tuning', num_virtual_tokens: 3, prefix_projection: true, encoder_hidden_size: 12 },
  prompt_tuning_text: {
    name: 'prompt_tuning',
    num_virtual_tokens: 3,
    prompt_tuning_init: 'text',
    prompt_tuning_init_text: 'a b',
  },
  lora_bias: { name: 'lora', r: 4, bias: 'lora_only' },
  lora_bias_all: { name: 'lora', r: 4, bias: 'all' },
  lora_rslora: { name: 'lora', r: 4, use_rslora: true },
  lora_patterns: {
    name: 'lora',
    r: 4,
    target_modules: 'all-linear',
    rank_pattern: { '(query|q_proj|c_attn)': 2 },
    alpha_pattern: { '(value|v_proj|c_proj)': 5 },
  },
  lora_embeddings: {
    name: 'lora',
    r: 4,
    target_modules: String.raw`.*\.(query|q_proj|c_attn|word_embeddings|embed_tokens|wte)`,
  },
} as const;

/** Other settings of some methods, which add something else or elsewhere. */
export const everyVariant = Object.fromEntries(
  Object.entries(variants).map(([variant, settings]) => [variant, methods[settings.name].settings.parse(settings)]),
);
