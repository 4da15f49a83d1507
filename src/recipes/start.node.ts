/** Finds what `model` and `init_from` of a recipe name, and refuses an adapter that would be another one beside that model. */
import { resolve } from 'node:path';
import { AttuneError } from '../errors/index.ts';
import { type ModelSource, readModelFolder } from '../inference/modelFolder.node.ts';
import { baseChangeOf } from '../methods/index.ts';
import type { Adapter } from '../store/adapters/index.ts';
import { type LocalModel, lastingReference } from '../store/index.ts';
import { expectSameAnswers, expectSameBase } from './sameBase.node.ts';
import type { Recipe } from './schema/index.ts';
import { expectSameMeaning } from './startSettings.node.ts';
import { findAdapter, identify, openTarget, sourceOf } from './target.node.ts';

/** What a run starts from: a model's folder, and perhaps an adapter that it goes on with. */
export interface Start {
  readonly source: ModelSource;
  /** What an adapter of this run names as its base: the model whose weights stay as they are. */
  readonly baseName: string;
  /** What fetches it again, where that is more than its name. */
  readonly baseReference?: string | undefined;
  readonly initial?: Adapter | undefined;
}

/** The base, and with `init_from` what an earlier run made of it: another whole model, or an adapter beside the base. */
export async function startOf(recipe: Recipe, local: LocalModel, signal: AbortSignal): Promise<Start> {
  const named = { baseName: local.name, baseReference: lastingReference(local) };
  if (recipe.init_from === undefined) return { source: await readModelFolder(local.path), ...named };
  const adapter = await findAdapter(recipe.init_from, signal);
  if (!adapter) {
    const { artifact } = await openTarget(recipe.init_from, signal);
    return { source: await readModelFolder(artifact.folder), baseName: resolve(artifact.folder) };
  }
  const base = { folder: local.path, identity: await identify(local.path, local) };
  await expectSameBase(adapter, base);
  expectSameChange(recipe, adapter);
  expectSameMeaning(recipe.method, adapter);
  await expectSameAnswers(adapter, sourceOf(adapter), base);
  return { source: await readModelFolder(local.path), ...named, initial: adapter };
}

/** What was learned beside rounded weights is right beside these alone. */
function expectSameChange({ method }: Recipe, adapter: Adapter): void {
  const [change, wanted] = [baseChangeOf(method), baseChangeOf(adapter.method)];
  if (change === wanted) return;
  throw new AttuneError({
    code: 'ADAPTER_MISMATCH',
    where: adapter.folder,
    problem: wanted
      ? `it was trained beside a base that was rounded with it (${wanted})`
      : `it was trained beside the base as it is, and method has ${change}`,
    fix: wanted ? 'give method the same' : 'remove init: the adapter is where the run starts',
  });
}
