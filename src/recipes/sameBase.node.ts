/** Whether an adapter was trained on this base: models of one family differ in nothing but their weights. */
import { realpath } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { AttuneError } from '../errors/index.ts';
import type { Checkpoint } from '../files/index.ts';
import { openCheckpoint } from '../files/modelFolder.node.ts';
import { type AdapterSource, openClassifier } from '../inference/classifier.node.ts';
import { fingerprintOf, sameFingerprint } from '../inference/fingerprint.ts';
import { openLanguageModel } from '../inference/languageModel.node.ts';
import { readModelFolder } from '../inference/modelFolder.node.ts';
import { type Adapter, type BaseIdentity, expectBase } from '../store/adapters/index.ts';
import { isLanguageModel } from './kindOf.node.ts';
import { baseFolder, identify } from './target.node.ts';

export interface Base {
  readonly folder: string;
  readonly identity: BaseIdentity;
}

/** By what the manifest says of config and tokenizer; without one by the base that the folder names, where that lies here. */
export async function expectSameBase(adapter: Adapter, { folder, identity }: Base): Promise<void> {
  const { manifest, baseName } = adapter;
  if (manifest) return expectBase(identity, manifest, adapter.folder);
  const named = baseFolder(adapter);
  if (baseName === undefined || named === undefined || (await isSamePlace(named, folder))) return;
  const other = await identify(named, { name: baseName, reference: baseName });
  expectBase(identity, { base: other }, adapter.folder);
  if (!(await haveSameWeights(named, folder))) throw otherWeights(adapter, identity);
}

/** Also by how it answered when it was saved, where that is known: no weight of this base may be another one. */
export async function expectSameAnswers(adapter: Adapter, source: AdapterSource, base: Base): Promise<void> {
  const { fingerprint } = source;
  if (!fingerprint || sameFingerprint(await answers(adapter, source, base.folder), fingerprint)) return;
  const named = baseFolder(adapter);
  const isSame = named ? await isSamePlace(named, base.folder) : adapter.baseReference === base.identity.reference;
  if (isSame) throw changed(adapter, base);
  // The same weights in another precision answer a little differently.
  if (named === undefined || !(await haveSameWeights(named, base.folder))) throw otherWeights(adapter, base.identity);
}

async function answers(adapter: Adapter, source: AdapterSource, folder: string): Promise<number[][]> {
  const artifact = { folder, adapter: { ...source, fingerprint: undefined } };
  const threads = availableParallelism();
  await using model = (await isLanguageModel({ artifact, adapter }))
    ? await openLanguageModel(artifact, { threads })
    : await openClassifier(artifact, { threads, batchSize: 1 });
  return await fingerprintOf(model.scorer, model.source.description);
}

const isSamePlace = async (one: string, other: string): Promise<boolean> =>
  (await realpath(one)) === (await realpath(other));

/** What both have, but for a head: an adapter brings its own, and so may a copy of the base. */
async function haveSameWeights(one: string, other: string): Promise<boolean> {
  const { classification } = (await readModelFolder(one)).description.architecture;
  const isHead = (name: string): boolean => classification !== undefined && name.startsWith(`${classification.head}.`);
  await using first = closing(await openCheckpoint(one));
  await using second = closing(await openCheckpoint(other));
  for (const name of first.names) {
    if (isHead(name) || !isComparable(name, first, second)) continue;
    if (!sameValues(await first.readFloats(name), await second.readFloats(name))) return false;
  }
  return true;
}

const closing = (checkpoint: Checkpoint): Checkpoint & AsyncDisposable => ({
  ...checkpoint,
  [Symbol.asyncDispose]: () => checkpoint.close(),
});

/** Blocks of few bits are near anything; a tensor of the same file needs no reading. */
function isComparable(name: string, ...[first, second]: [Checkpoint, Checkpoint]): boolean {
  const identity = first.identityOf(name);
  if (identity !== undefined && identity === second.identityOf(name)) return false;
  if (first.ownFormOf?.(name) || second.ownFormOf?.(name)) return false;
  return second.shapeOf(name)?.join() === first.shapeOf(name)!.join();
}

/** What rounding to bfloat16 leaves of a number's digits, and to float16 of one near 0. */
const [ROUNDING, NEAR_ZERO] = [2 ** -8, 2 ** -24];

const sameValues = (one: Float32Array, other: Float32Array): boolean =>
  one.every((value, i) => Math.abs(value - other[i]!) <= ROUNDING * Math.abs(value) + NEAR_ZERO);

function otherWeights({ folder, baseReference: own }: Adapter, { name }: BaseIdentity): AttuneError {
  return new AttuneError({
    code: 'BASE_MISMATCH',
    where: folder,
    problem: `it was trained on ${own}; the weights of ${name} are other ones`,
    fix: `use it with ${own}`,
  });
}

const changed = ({ folder }: Adapter, base: Base): AttuneError =>
  new AttuneError({
    code: 'ADAPTER_MISMATCH',
    where: folder,
    problem: `with the base in ${base.folder} it does not answer as it did when it was saved: a weight has changed`,
    fix: 'use the very base that it was trained on, and the adapter as it was saved',
  });
