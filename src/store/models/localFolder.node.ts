import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { openGgufCheckpoint } from '../../files/gguf/ggufModel.node.ts';
import { codeOf } from './beside.node.ts';
import type { Environment, LocalModel } from './localModel.ts';
import { chooseModelFiles, missingParts, shardIndex, unreadWeights } from './modelFiles.ts';
import { expandHome } from './settings.node.ts';

export interface FolderContents {
  /** Size of the files that make the model. */
  readonly bytes: number;
  /** What it lacks to be a model; empty when it is one. */
  readonly missing: readonly string[];
  /** Weights in formats that are not read. */
  readonly unread: readonly string[];
}

/** The model in a folder or .gguf file of this machine; undefined when nothing is at the path. */
export async function modelAtPath(reference: string, environment: Environment): Promise<LocalModel | undefined> {
  if (reference === '') return undefined; // would be the current folder
  const path = resolve(expandHome(reference, environment));
  const found = await stat(path).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'EINVAL', 'ERR_INVALID_ARG_VALUE'].includes(codeOf(error) ?? '')) return;
    throw error;
  });
  if (!found && path.endsWith('.gguf')) throw noFile(reference, path);
  if (!found) return undefined;
  if (found.isDirectory()) return modelInFolder(reference, path);
  if (path.endsWith('.gguf')) return ggufModel(reference, path, found.size);
  const fix = 'give the folder that holds config.json and the weights, or a .gguf file';
  throw new AttuneError({ code: 'MODEL_NOT_FOUND', where: reference, problem: 'is a file, not a model', fix });
}

/** A name with this ending is meant as a file: on the hub models are folders. */
function noFile(reference: string, path: string): AttuneError {
  const fix = 'check the path; a model of the hub is named by its folder there, org/name';
  return new AttuneError({ code: 'MODEL_NOT_FOUND', where: reference, problem: `there is no file ${path}`, fix });
}

/** Refused at once where it could not be read later. */
async function ggufModel(reference: string, path: string, bytes: number): Promise<LocalModel> {
  await (await openGgufCheckpoint(path)).close();
  return { reference, path, bytes, source: 'folder', name: path };
}

async function modelInFolder(reference: string, path: string): Promise<LocalModel> {
  const contents = await inspectFolder(path);
  requireComplete(contents, reference);
  return { reference, path, bytes: contents.bytes, source: 'folder', name: (await knownName(path)) ?? path };
}

export async function inspectFolder(folder: string): Promise<FolderContents> {
  const names = await filesIn(folder);
  const chosen = chooseModelFiles(names);
  const shards = chosen.includes(shardIndex) ? await shardsOf(join(folder, shardIndex)) : [];
  const missing = shards ? missingParts(names, shards) : [`${shardIndex} (it is damaged)`];
  const sizes = await Promise.all(chosen.map(async (name) => (await stat(join(folder, name))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return { bytes, missing, unread: unreadWeights(names) };
}

export function requireComplete({ missing, unread }: Omit<FolderContents, 'bytes'>, where: string): void {
  if (missing.length === 0) return;
  const weightsMissing = missing.some((name) => name.endsWith('.safetensors'));
  const others = weightsMissing && unread.length > 0 ? `; it has ${unread.join(', ')}, which is not read` : '';
  throw new AttuneError({
    code: 'MODEL_INCOMPLETE',
    where,
    problem: `lacks ${missing.join(', ')}${others}`,
    fix: others
      ? 'save the model as .safetensors (Transformers: save_pretrained), or take a revision that has them'
      : 'give a folder saved with save_pretrained, or fetch the model again',
  });
}

/** Files of the folder and of the folders in it; links that lead nowhere are left out. */
async function filesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  for (const name of await readdir(folder)) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.isFile()) names.push(name);
    if (!found?.isDirectory() || !/^\d+_\w+$/.test(name)) continue; // only modules of sentence-transformers
    for (const inner of await readdir(join(folder, name))) names.push(`${name}/${inner}`);
  }
  return names;
}

/** The files that a shard index names; undefined when it is not such an index. */
async function shardsOf(path: string): Promise<string[] | undefined> {
  const text = await readFile(path, 'utf8');
  try {
    const index: unknown = JSON.parse(text);
    const map = index !== null && typeof index === 'object' && 'weight_map' in index ? index.weight_map : undefined;
    return map !== null && typeof map === 'object' ? [...new Set(Object.values(map).map(String))] : undefined;
  } catch {
    return undefined; // not JSON: reported by the caller
  }
}

/** A folder that fetchModel made once still knows where it came from, so that adapters name the hub's model. */
async function knownName(path: string): Promise<string | undefined> {
  const inHubCache = /[\\/]models--([^\\/]+)[\\/]snapshots[\\/][0-9a-f]{40}$/.exec(path);
  if (inHubCache) return inHubCache[1]!.split('--').join('/');
  if (!/-[0-9a-f]{12}$/.test(basename(path))) return undefined;
  const manifest = await readFile(join(path, 'manifest.json'), 'utf8').catch(() => '');
  return /"name": "([\w.-]+\/[\w.-]+)"/.exec(manifest)?.[1];
}
