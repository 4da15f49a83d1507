/** Where AdapterHub's library keeps what it adds to a model, by the model's type. */
import { AttuneError } from '../../../errors/index.ts';

/** What its LoRA settings name: matrices of the attention by letter, and the two ends of the feed-forward. */
export type LoraPart = 'q' | 'k' | 'v' | 'intermediate' | 'output';

export interface HubPlaces {
  /** Its names of the modules that bottleneck adapters stand in, and ours; those that are not here are the same. */
  readonly sublayers: Readonly<Record<string, string>>;
  /** Ends of layers' paths, as regular expressions. */
  readonly layers: Readonly<Partial<Record<LoraPart, string>>>;
  /** The one layer that makes queries, keys and values, where a model has such. */
  readonly fused?: string;
  /** What stands before a block's number. */
  readonly blocks: string;
}

const llama: HubPlaces = {
  sublayers: { attention_adapters: 'self_attn', output_adapters: 'mlp' },
  layers: {
    q: String.raw`self_attn\.q_proj`,
    k: String.raw`self_attn\.k_proj`,
    v: String.raw`self_attn\.v_proj`,
    // The library has them this way round.
    intermediate: String.raw`mlp\.down_proj`,
    output: String.raw`mlp\.up_proj`,
  },
  blocks: 'layers',
};

/** The models that it and Attune both have. Others it adapts by an interface that its user describes. */
const hubPlaces: Readonly<Record<string, HubPlaces>> = {
  bert: {
    sublayers: {},
    layers: {
      q: String.raw`attention\.self\.query`,
      k: String.raw`attention\.self\.key`,
      v: String.raw`attention\.self\.value`,
      intermediate: String.raw`intermediate\.dense`,
      output: String.raw`\d+\.output\.dense`,
    },
    blocks: 'layer',
  },
  llama,
  mistral: llama,
  gpt2: {
    sublayers: { attention_adapters: 'attn', output_adapters: 'mlp' },
    layers: { intermediate: String.raw`mlp\.c_fc`, output: String.raw`mlp\.c_proj` },
    fused: 'attn.c_attn',
    blocks: 'h',
  },
};

export const placesOf = (modelType: string): HubPlaces | undefined =>
  Object.hasOwn(hubPlaces, modelType) ? hubPlaces[modelType] : undefined;

/** Of a folder, whose `model_type` older versions of the library left out: they had BERT first. */
export function requirePlaces(modelType: unknown, where: string): HubPlaces {
  const known = placesOf(String(modelType ?? 'bert'));
  if (known) return known;
  throw new AttuneError({
    code: 'ADAPTER_UNSUPPORTED',
    where,
    problem: `model_type is ${JSON.stringify(modelType)}, whose places in AdapterHub's library are not known here`,
    fix: `Attune opens its adapters of ${Object.keys(hubPlaces).join(', ')}`,
  });
}

/** `model.layers.0.mlp` ⇄ `model.layers.0.output_adapters` */
export function hubPlace({ sublayers }: HubPlaces, own: string): string {
  const entry = Object.entries(sublayers).find(([, name]) => own.endsWith(`.${name}`));
  return entry ? `${own.slice(0, -entry[1].length)}${entry[0]}` : own;
}

export function ownPlace({ sublayers }: HubPlaces, hub: string): string {
  const entry = Object.entries(sublayers).find(([name]) => hub.endsWith(`.${name}`));
  return entry ? `${hub.slice(0, -entry[0].length)}${entry[1]}` : hub;
}
