/** Our names of tensors as PEFT writes them, and back. */

const ROOT = 'base_model.model.';
/** What all layers share stands beside the model, and so does everything where none of its layers is wrapped. */
const SHARED_ROOT = 'base_model.';
const shared = new Set(['vera_A', 'vera_B']);
/** Vectors before the text have no root at all. */
const PROMPT = 'prompt_embeddings';

/** What a method adds to a layer: these names end with it. */
const additions = /\.(lora_A(\.weight)?|lora_embedding_A|ia3_l|vera_lambda_b)$/;

/** Layers that tensors were added to. */
export const adaptedLayers = (names: readonly string[]): string[] =>
  names.filter((name) => additions.test(name)).map((name) => name.replace(additions, ''));

export interface Naming {
  /** PEFT wraps the layers that it changes: their own biases have another name. */
  readonly adapted: ReadonlySet<string>;
  /** Whether a module is copied for training, under a name of its own. */
  readonly isCopied: (module: string) => boolean;
  readonly isBesideModel: boolean;
}

export function peftName(name: string, { adapted, isCopied, isBesideModel }: Naming): string {
  if (name === PROMPT) return name;
  if (isBesideModel || shared.has(name)) return `${SHARED_ROOT}${name}`;
  const at = name.lastIndexOf('.');
  const [module, last] = [name.slice(0, at), name.slice(at + 1)];
  if (isCopied(module)) return `${ROOT}${module}.ln_tuning_layers.${last}`;
  return adapted.has(module) && /^(weight|bias)$/.test(last) ? `${ROOT}${module}.base_layer.${last}` : `${ROOT}${name}`;
}

/** Undefined for a name that PEFT does not give. */
export function ownName(peft: string): string | undefined {
  if (peft.startsWith(ROOT)) return peft.slice(ROOT.length).replace(/\.(base_layer|ln_tuning_layers)\./, '.');
  if (peft.startsWith(SHARED_ROOT)) return peft.slice(SHARED_ROOT.length);
  return peft === PROMPT ? peft : undefined;
}

/** With `bias: all` PEFT saves the head's bias again, and the base's own: copies that it does not read either. */
export const isCopy = (peft: string): boolean => /\.(modules_to_save|original_module)\.[^.]+$/.test(peft);
