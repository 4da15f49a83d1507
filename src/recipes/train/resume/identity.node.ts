/** What makes a run this run and no other: settings that change what is learned, data, base and code, by their checksums. */
import { createHash } from 'node:crypto';
import type { EncodedRow } from '../../../data/batch.ts';
import { expandPaths } from '../../../data/index.node.ts';
import { hash } from '../../../store/adapters/index.ts';
import type { Recipe } from '../../schema/index.ts';
import type { Start } from '../../start.node.ts';
import { identify } from '../../target.node.ts';
import type { BaseFiles } from '../guarding/baseFiles.node.ts';
import type { TrainingModel } from '../openModel.node.ts';
import type { StepPlan } from '../plan.ts';
import type { PreparedData } from '../prepareData.node.ts';
import { attuneVersion, codeHash } from '../version.node.ts';
import { learningSettings } from './settings.ts';

/** Checksums by the name of the file, in the order in which they are read. */
type Files = Readonly<Record<string, string>>;

export interface Identity {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly data: { readonly train: Files; readonly validation: Files };
  /** Of the rows as the model reads them. */
  readonly rows: { readonly train: string; readonly validation: string };
  readonly labels: readonly string[];
  readonly base: { readonly config: string; readonly tokenizer: string; readonly weights: Files };
  readonly steps_per_epoch: number;
  readonly code: { readonly attune: string; readonly sha256: string; readonly runtime: string };
}

export interface Identified {
  readonly recipe: Recipe;
  readonly start: Start;
  readonly base: BaseFiles;
  readonly data: PreparedData;
  readonly model: TrainingModel;
  readonly plan: StepPlan;
}

export async function identityOf({ recipe, start, base, data, model, plan }: Identified): Promise<Identity> {
  const { folder } = start.source;
  const { config_sha256: config, tokenizer_sha256: tokenizer } = await identify(folder, { name: '', reference: '' });
  const hashesOf = async (paths: readonly string[] = []): Promise<Files> =>
    Object.fromEntries((await expandPaths(paths)).map((path) => [path, data.files[path]!]));
  return {
    settings: learningSettings(recipe),
    data: { train: await hashesOf(recipe.data.train), validation: await hashesOf(recipe.data.validation) },
    rows: { train: rowsHash(data.train.rows), validation: rowsHash(data.validation?.rows ?? []) },
    labels: data.labels,
    base: { config, tokenizer, weights: weightHashes(base) },
    steps_per_epoch: plan.stepsOfEpoch[0]!,
    code: { attune: attuneVersion(), sha256: codeHash(), runtime: model.runtime },
  };
}

/** The same for the same settings, data, base and code, wherever the files lie. */
export function runId({ settings, data, base, code }: Identity): string {
  const contents = [data.train, data.validation, base.weights].map((files) => Object.values(files));
  return hash({ settings, contents, base: [base.config, base.tokenizer], code }).slice(0, 16);
}

const weightHashes = ({ sha256 }: BaseFiles): Files =>
  Object.fromEntries(Object.entries(sha256).filter(([name]) => !name.endsWith('.json')));

function rowsHash(rows: readonly EncodedRow[]): string {
  const digest = createHash('sha256');
  for (const { inputIds, tokenTypeIds = [], label, labels = [] } of rows) {
    digest.update(Int32Array.from([inputIds.length, label, ...inputIds, ...tokenTypeIds, ...labels]));
  }
  return digest.digest('hex');
}
