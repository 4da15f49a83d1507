/** What stands beside the weights of a classifier, as Transformers writes it. */
import type { ModelSource } from '../inference/modelFolder.node.ts';
import { classificationOf } from '../models/index.ts';

type Source = Pick<ModelSource, 'configFields' | 'description' | 'tokenizer' | 'tokenizerFields'>;

/** config.json. */
export function classifierConfig(source: Source, labels: readonly string[]) {
  const { _name_or_path: _, ...kept } = source.configFields;
  const padding = missingPadding(source);
  return {
    ...kept,
    architectures: [classificationOf(source.description).architectureName],
    id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    problem_type: 'single_label_classification',
    dtype: 'float32',
    ...(padding !== undefined && { pad_token_id: padding }),
  };
}

/** Files that stand in for those of the base: a tokenizer that names no padding gets one. */
export function classifierFiles(source: Source): Readonly<Record<string, string>> {
  const { tokenizer, tokenizerFields, description } = source;
  const { padTokenId } = classificationOf(description);
  if (!padTokenId || (tokenizerFields['pad_token'] ?? null) !== null) return {};
  const token = tokenizer.tokenOf(padTokenId(description.config) ?? missingPadding(source)!);
  if (token === undefined) return {};
  return { 'tokenizer_config.json': `${JSON.stringify({ ...tokenizerFields, pad_token: token }, null, 2)}\n` };
}

/**
 * Transformers answers several texts at once only where config.json names the padding, and does not read that token at the
 * end of a text: where the base names none, it is one that no text ends with.
 */
function missingPadding({ tokenizer, tokenizerFields, description }: Source): number | undefined {
  const { padTokenId } = classificationOf(description);
  if (!padTokenId || padTokenId(description.config) !== undefined) return undefined;
  const isNamed = (tokenizerFields['pad_token'] ?? null) !== null;
  const special = [...(isNamed ? [tokenizer.padTokenId] : []), tokenizer.eosTokenId, tokenizer.bosTokenId];
  return special.find((id) => id !== undefined && id !== tokenizer.around.after.at(-1)) ?? 0;
}
