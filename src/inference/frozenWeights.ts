/** Weights that only answer. Models that stand on the same file share them: ten adapters hold one base. */
import type { Values } from '../engine/runtime/index.ts';
import type { Parameter, Stored } from '../models/nn/index.ts';
import {
  frozenMemory,
  inOrder,
  keptValues,
  type Loading,
  type NamedCheckpoint,
  ownForm,
  type ParameterMemory,
  packedForm,
  placeParameters,
  refuseNotFinite,
  refuseOtherHeads,
} from '../training/index.ts';

export interface FrozenWeights {
  /** Its arrays may stand in other models too: nobody may write into them. */
  readonly memory: ParameterMemory;
  /** Parameters that no checkpoint has. */
  readonly fresh: readonly string[];
}

export async function loadFrozen(
  parameters: readonly Parameter[],
  checkpoints: Omit<Loading, 'seed'>,
): Promise<FrozenWeights> {
  const loading = { ...checkpoints, seed: 0 };
  const placed = inOrder(placeParameters(parameters, loading));
  await refuseOtherHeads(parameters, loading);
  const frozen = new Map<string, Float32Array>();
  const packed = new Map<string, Values>();
  const fresh: string[] = [];
  for (const { parameter, place } of placed) {
    const { name, stored } = parameter;
    if (!place) fresh.push(name);
    else if (isOfItsOwn(parameter)) {
      const values = await place.checkpoint.readFloats(place.name);
      if (place.checkpoint === checkpoints.adapter) refuseNotFinite(place, values);
      const kept = keptValues(parameter, values, (other) => frozen.get(other)!);
      if (stored) packed.set(name, packedForm(stored, kept));
      else frozen.set(name, kept);
    } else if (stored) packed.set(name, await sharedForm(place, stored));
    else {
      const values = await sharedFloats(place);
      if (place.checkpoint === checkpoints.adapter) refuseNotFinite(place, values);
      frozen.set(name, values);
    }
  }
  return { memory: frozenMemory(frozen, packed), fresh };
}

/** No other model keeps what this one does, unless it is the weight itself in the form that it is kept in anyway. */
const isOfItsOwn = ({ replaced, stored }: Parameter): boolean =>
  replaced !== undefined && (replaced.from.length > 0 || stored === undefined);

interface Place {
  readonly checkpoint: NamedCheckpoint;
  readonly name: string;
}

const sharedFloats = ({ checkpoint, name }: Place): Promise<Float32Array> =>
  shared(checkpoint.identityOf(name), () => checkpoint.readFloats(name));

/** The forms of one tensor differ by the names and types of what they are made of. */
function sharedForm(place: Place, stored: Stored): Promise<Values> {
  const { checkpoint, name } = place;
  const identity = checkpoint.identityOf(name);
  const form = stored.leaves.map(({ name: part, dtype }) => `${part} ${dtype}`).join(' ');
  const read = async (): Promise<Values> =>
    stored.own ? await ownForm(place, stored) : packedForm(stored, await checkpoint.readFloats(name));
  return shared(identity && `${identity} ${form}`, read);
}

/** Held weakly: weights go with the last model that uses them. */
const held = new Map<string, WeakRef<object>>();
const underWay = new Map<string, Promise<object>>();
const collected = new FinalizationRegistry<string>((identity) => {
  if (!held.get(identity)?.deref()) held.delete(identity);
});

/** What a tensor of a file was read as; the same object as long as somebody holds it and the file is as it was. */
async function shared<T extends object>(identity: string | undefined, read: () => Promise<T>): Promise<T> {
  if (identity === undefined) return await read();
  const known = held.get(identity)?.deref() ?? underWay.get(identity);
  if (known) return (await known) as T;
  const reading = read()
    .then((found) => keep(identity, found))
    .finally(() => underWay.delete(identity));
  underWay.set(identity, reading);
  return await reading;
}

function keep<T extends object>(identity: string, read: T): T {
  held.set(identity, new WeakRef(read));
  collected.register(read, identity);
  return read;
}
