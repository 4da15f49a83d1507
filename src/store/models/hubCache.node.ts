import { copyFile, link, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { codeOf, exists, unfinishedName } from './beside.node.ts';
import { type FolderContents, inspectFolder } from './localFolder.node.ts';
import type { HubSettings } from './settings.node.ts';

/** A commit as the hub names it; also the only names of snapshot folders. */
export const commitPattern = /^[0-9a-f]{40}$/;

export interface Snapshot {
  readonly folder: string;
  readonly commit: string;
  readonly contents: FolderContents;
  /** Nothing the hub has is missing: there is no reason to ask it. */
  readonly complete: boolean;
}

/** models--org--name, as every Hugging Face library names it. */
export function repositoryFolder(settings: HubSettings, id: string): string {
  return join(settings.cache, ['models', ...id.split('/')].join('--'));
}

/** What the cache has of a model, if it has anything of that revision. */
export async function cachedSnapshot(
  settings: HubSettings,
  id: string,
  revision = 'main',
): Promise<Snapshot | undefined> {
  const repository = repositoryFolder(settings, id);
  const reference = join(repository, 'refs', revision);
  const commit = commitPattern.test(revision) ? revision : (await readFile(reference, 'utf8').catch(() => '')).trim();
  const folder = join(repository, 'snapshots', commit);
  if (!commitPattern.test(commit) || !(await exists(folder))) return undefined;
  const contents = await inspectFolder(folder);
  // Python may have fetched the weights alone; a model without tokenizer.json is marked in .no_exist, as Python does.
  const tokenizer =
    (await exists(join(folder, 'tokenizer.json'))) || (await exists(absentMark(repository, commit, 'tokenizer.json')));
  return { folder, commit, contents, complete: contents.missing.length === 0 && tokenizer };
}

/** Notes that a commit has no such file. */
export async function markAbsent(repository: string, commit: string, name: string): Promise<void> {
  const mark = absentMark(repository, commit, name);
  await mkdir(dirname(mark), { recursive: true });
  await writeFile(mark, '');
}

function absentMark(repository: string, commit: string, name: string): string {
  return join(repository, '.no_exist', commit, name);
}

/** Shows a blob under its name in the snapshot: by a relative link, so that the cache can be moved. */
export async function showBlob(blob: string, pointer: string): Promise<void> {
  const shown = await stat(pointer).catch(() => undefined);
  if (shown && shown.size === (await stat(blob)).size) return;
  await mkdir(dirname(pointer), { recursive: true });
  const unfinished = unfinishedName(pointer);
  try {
    await linkOrCopy(blob, unfinished);
    await rename(unfinished, pointer);
  } finally {
    await rm(unfinished, { force: true });
  }
}

/** Windows without developer mode refuses symbolic links, some file systems refuse hard links too. */
async function linkOrCopy(blob: string, pointer: string): Promise<void> {
  const refused = (error: unknown): void => {
    if (!['EPERM', 'EACCES', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'UNKNOWN'].includes(codeOf(error) ?? ''))
      throw error;
  };
  try {
    return await symlink(relative(dirname(pointer), blob), pointer);
  } catch (error) {
    refused(error);
  }
  try {
    return await link(blob, pointer);
  } catch (error) {
    refused(error);
  }
  await copyFile(blob, pointer);
}

/** Written last: a branch points to a commit only when the commit's files are here. */
export async function writeReference(repository: string, revision: string, commit: string): Promise<void> {
  if (commitPattern.test(revision)) return;
  const path = join(repository, 'refs', revision);
  const unfinished = unfinishedName(path);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(unfinished, commit);
  await rename(unfinished, path);
}
