/** What PEFT does with `ensure_weight_tying`, and what its folders have for it. */
import { type Checkpoint, haveEqualValues, type NamedTensor } from '../../../files/index.ts';
import { chooses } from '../../../methods/pattern.ts';
import type { PeftConfig } from './forms.ts';
import type { Weight } from './savedModules.ts';

/** PEFT 0.21.2, EMBEDDING_LAYER_NAMES: under other names it takes nothing for an embedding. */
const embeddings = ['embed_tokens', 'lm_head'];
const HEAD = 'lm_head';

const isEmbedding = (name: string): boolean => embeddings.includes(name.split('.').at(-1)!);

/** Whether PEFT ties anything: the field does nothing where no name is that of an embedding. */
export function tiesIn({ ensure_weight_tying: wished, modules_to_save: saved, target_modules: targets }: PeftConfig) {
  if (wished !== true) return false;
  if (typeof targets === 'string' && embeddings.some((name) => chooses(targets, name))) return true;
  const names = [saved ?? [], typeof targets === 'string' ? [] : (targets ?? [])].flat() as string[];
  return names.some(isEmbedding);
}

/** With a name that PEFT takes for an embedding's, where one that it ties is among them: GPT-2's is `wte`. */
export function withTiedNames(names: readonly string[], weights: readonly Weight[]): readonly string[] {
  const isTied = weights.some(({ alsoNamed }) => alsoNamed !== undefined);
  return !isTied || names.some(isEmbedding) ? names : [...names, HEAD];
}

/** With the matrix of a tied embedding under its other name, too: PEFT looks for both. */
export function withCopies(tensors: readonly NamedTensor[], weights: readonly Weight[]): readonly NamedTensor[] {
  const others = new Map(weights.map(({ name, alsoNamed }) => [name, alsoNamed]));
  return tensors.flatMap((tensor) => {
    const name = others.get(tensor.name);
    return name === undefined ? [tensor] : [tensor, { ...tensor, name }];
  });
}

/** The name of that copy in a folder; undefined where the head has values of its own, or is not there. */
export async function copyIn(saved: Checkpoint, config: PeftConfig): Promise<string | undefined> {
  const head = { checkpoint: saved, name: `${HEAD}.weight` };
  if (!tiesIn(config) || !saved.shapeOf(head.name)) return undefined;
  for (const name of saved.names) {
    if (name !== head.name && (await haveEqualValues({ checkpoint: saved, name }, head))) return head.name;
  }
  return undefined;
}
