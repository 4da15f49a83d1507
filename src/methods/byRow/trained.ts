/** What any method trained besides what it added: heads, layers that are saved whole, biases of layers. */
import { AttuneError } from '../../errors/index.ts';
import type { BaseLayer, TrainedPart } from '../definition.ts';
import { addedByRow, type MethodSettings } from '../index.ts';
import { linearPart, type Part, type Parts } from './parts.ts';

/** An adapter's tensors by the names of parameters, as [out, in] whatever way the checkpoint keeps them. */
export interface TrainedTensors {
  readonly where: string;
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
  readonly layers: ReadonlyMap<string, BaseLayer>;
}

/** Everything that an adapter changes, as arrays that rows can have their own of; refused where that is not everything. */
export function partsOf(settings: MethodSettings, { where, tensors, layers }: TrainedTensors): Parts {
  const left = new Set(tensors.keys());
  const trained: TrainedPart = {
    places: (name) =>
      [...tensors.keys()].flatMap((key) => (key.endsWith(`.${name}`) ? key.slice(0, -name.length - 1) : [])),
    shapeOf: (name) => tensors.get(name)!.shape,
    take(name) {
      left.delete(name);
      return tensors.get(name)!.data;
    },
    layer: (path) => layers.get(path)!,
  };
  const parts = new Map<string, Float32Array>(addedByRow(settings, trained));
  const ofLayers = (suffix: string): string[] =>
    [...left].filter((name) => name.endsWith(suffix) && layers.has(name.slice(0, -suffix.length)));
  for (const name of ofLayers('.weight')) {
    for (const [part, values] of wholeLayer(name.slice(0, -'.weight'.length), trained)) parts.set(part, values);
  }
  for (const name of ofLayers('.bias')) {
    const [part, values] = movedBias(name.slice(0, -'.bias'.length), trained, parts);
    parts.set(part, values);
  }
  const [over] = left;
  if (over !== undefined) throw standsAlone(settings, over, where);
  return inOneBlock(parts);
}

/** Many small arrays leave holes behind when they go; a block goes as a whole. */
function inOneBlock(parts: Parts): Parts {
  const block = new Float32Array([...parts.values()].reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  const places = [...parts].map(([name, values]): Part => {
    const place = block.subarray(start, start + values.length);
    place.set(values);
    start += values.length;
    return [name, place];
  });
  return new Map(places);
}

/** The layer's own weight counts no more, and its bias still does. */
function wholeLayer(path: string, { take, layer }: TrainedPart): Part[] {
  const { shape, head, bias } = layer(path);
  const weight: Part = [linearPart(path, 'weight'), take(`${path}.weight`)];
  if (head) return [weight];
  const own = bias();
  const offset: Part[] = own ? [[linearPart(path, 'offset'), own]] : [];
  return [weight, [linearPart(path, 'factor'), new Float32Array(shape[0])], ...offset];
}

/** By how far the bias has moved from the base's, beside what is added for other reasons. A head has nothing to move from. */
function movedBias(path: string, { take, layer }: TrainedPart, parts: Parts): Part {
  const { head, bias } = layer(path);
  const name = linearPart(path, 'offset');
  const [own, before] = [take(`${path}.bias`), parts.get(name)];
  const base = head ? undefined : bias();
  return [name, own.map((value, i) => value - (base?.[i] ?? 0) + (before?.[i] ?? 0))];
}

function standsAlone({ name }: MethodSettings, tensor: string, where: string): AttuneError {
  return new AttuneError({
    code: 'ADAPTER_ALONE',
    where,
    problem: `it trained '${tensor}' (method ${name}), which rows of one batch cannot each have their own of`,
    fix: 'open it by itself; beside others go lora, dora, ia3, adapter, and what changes heads and linear layers alone',
  });
}
