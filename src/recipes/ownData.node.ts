/** The rows that a run did not learn from, found again: its test data, or else its validation data. */
import { isAbsolute, join } from 'node:path';
import type { ClassificationExample } from '../data/index.ts';
import { AttuneError } from '../errors/index.ts';
import type { RunRecord } from '../store/runs/index.ts';
import type { Recipe } from './schema/index.ts';
import { hashFiles, readFiles } from './train/prepareData.node.ts';
import { holdBack, readExamples } from './train/tasks/classificationData.node.ts';
import { holdBackAny, type Reading } from './train/tasks/languageData.node.ts';

/** The same rows of a language model's run. */
export async function ownRows<Example>(
  run: RunRecord,
  { data, training }: Recipe,
  reading: Reading<Example>,
): Promise<readonly Example[] | undefined> {
  const given = data.test ?? data.validation;
  if (given) return await readFiles(fromItsFolder(run, given), reading.read, reading.example);
  if (data.validation_split === 0) return undefined;
  const paths = fromItsFolder(run, data.train);
  await refuseChanged(run, paths);
  const all = await readFiles(paths, reading.read, reading.example);
  return holdBackAny(all, reading, { fraction: data.validation_split, seed: training.seed }).validation;
}

/** Undefined where all rows were learned from. */
export async function ownExamples(
  run: RunRecord,
  { data, training }: Recipe,
): Promise<readonly ClassificationExample[] | undefined> {
  const given = data.test ?? data.validation;
  if (given) return await readExamples(fromItsFolder(run, given), data.columns);
  if (data.validation_split === 0) return undefined;
  const paths = fromItsFolder(run, data.train);
  await refuseChanged(run, paths);
  return holdBack(await readExamples(paths, data.columns), data.validation_split, training.seed).validation;
}

/** Paths of a recipe start where the run was started, wherever it is opened. */
function fromItsFolder({ working_folder: folder }: RunRecord, paths: readonly string[]): string[] {
  return paths.map((path) => (typeof folder !== 'string' || isAbsolute(path) ? path : join(folder, path)));
}

/** Of other rows, others would be held back: some of them were learned from. */
async function refuseChanged({ data_sha256: then }: RunRecord, paths: readonly string[]): Promise<void> {
  const sorted = (hashes: object): string => Object.values(hashes).sort().join();
  if (sorted(await hashFiles(paths)) === sorted(then as object)) return;
  throw new AttuneError({
    code: 'DATA_FILE',
    where: paths.join(', '),
    problem: 'it has changed since the run, so the rows that were held back are not known any more',
    fix: 'give a labelled file with --data FILE',
  });
}
