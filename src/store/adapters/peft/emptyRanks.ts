/** Ranks that AdaLoRA has given up: PEFT's file leaves them out, and `rank_pattern` says which ones are left. */
import type { NamedTensor } from '../../../files/index.ts';
import { partsOf } from '../../../methods/adalora/ranks.ts';
import type { PeftConfig, Reduced } from './forms.ts';

/**
 * Without the ranks whose E is exactly 0, which add nothing. Where every one of them is 0 nothing has been learned, and
 * where `rank_pattern` is given they were left out before: then all is kept.
 */
export function withoutEmptyRanks(tensors: readonly NamedTensor[], settings: PeftConfig): Reduced | undefined {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const paths = tensors.flatMap(({ name }) => (name.endsWith('.lora_E') ? [name.slice(0, -'.lora_E'.length)] : []));
  const left = new Map(paths.map((path) => [path, leftOf(byName.get(partsOf(path).e)!)]));
  const flags = [...left.values()].flat();
  if (settings['rank_pattern'] || flags.every(Boolean) || !flags.some(Boolean)) return undefined;
  const reduced = new Map(
    [...left].flatMap(([path, own]) => {
      const { a, b, e } = partsOf(path);
      const cut = (name: string, axis: 0 | 1): [string, NamedTensor] => [name, taken(byName.get(name)!, axis, own)];
      return [cut(a, 0), cut(b, 1), cut(e, 0)];
    }),
  );
  return {
    tensors: tensors.map((tensor) => reduced.get(tensor.name) ?? tensor),
    fields: { rank_pattern: Object.fromEntries([...left].map(([path, own]) => [partsOf(path).e, own])) },
  };
}

const leftOf = ({ data }: NamedTensor): boolean[] => Array.from(data as Float32Array, (value) => value !== 0);

/** The rows, or columns, of a matrix that are marked. */
function taken(tensor: NamedTensor, axis: 0 | 1, marks: readonly boolean[]): NamedTensor {
  const [, columns] = tensor.shape as [number, number];
  const data = (tensor.data as Float32Array).filter(
    (_, i) => marks[axis === 0 ? Math.floor(i / columns) : i % columns],
  );
  const shape = tensor.shape.with(axis, marks.filter(Boolean).length);
  return { ...tensor, shape, data };
}
