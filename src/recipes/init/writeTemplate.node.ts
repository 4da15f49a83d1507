import { randomBytes } from 'node:crypto';
import { link, lstat, mkdir, rename, rm } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { writeDurably } from '../../store/runs/atomic.node.ts';
import { commentedRecipe } from './commentedRecipe.ts';
import type { Paths, Template } from './template.ts';

/** Writes the recipe and the data of a template, all or none; a file that is there already is never replaced. */
export async function writeTemplate(template: Template, folder: string): Promise<Paths> {
  const paths = pathsIn(folder, template.name);
  const texts = {
    [paths.data]: template.rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
    [paths.recipe]: commentedRecipe(template, paths),
  };
  for (const path of [paths.recipe, paths.data]) if (await isTaken(path)) throw taken(path);
  try {
    await mkdir(folder, { recursive: true });
    await writeAll(texts);
  } catch (failure) {
    throw explained(failure, folder);
  }
  return paths;
}

/** Slashes on every system: the paths stand in the recipe too, which may be moved to another one. */
function pathsIn(folder: string, name: string): Paths {
  const inFolder = (file: string) => join(folder, file).replaceAll(sep, '/');
  return { recipe: inFolder(`${name}.yaml`), data: inFolder(`${name}.jsonl`), run: `runs/${name}` };
}

const isTaken = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    (failure: NodeJS.ErrnoException) => {
      if (failure.code === 'ENOENT' || failure.code === 'ENOTDIR') return false;
      throw explained(failure, path);
    },
  );

/** All are written beside their places before the first gets its name: a full disk leaves nothing behind. */
async function writeAll(texts: Readonly<Record<string, string>>): Promise<void> {
  const mark = `.${randomBytes(6).toString('hex')}.incomplete`;
  const placed: string[] = [];
  try {
    for (const [path, text] of Object.entries(texts)) await writeDurably(`${path}${mark}`, [text], 'wx');
    for (const path of Object.keys(texts)) {
      await giveName(`${path}${mark}`, path);
      placed.push(path);
    }
  } catch (failure) {
    for (const path of placed) await rm(path, { force: true });
    throw failure;
  } finally {
    for (const path of Object.keys(texts)) await rm(`${path}${mark}`, { force: true });
  }
}

// Unlike a rename, a link refuses a name that was taken a moment ago. Without links the look before must do.
async function giveName(from: string, to: string): Promise<void> {
  await link(from, to).catch((failure: NodeJS.ErrnoException) => {
    if (failure.code === 'EEXIST') throw taken(to);
    return rename(from, to);
  });
}

function taken(path: string): AttuneError {
  return new AttuneError({
    code: 'OUTPUT_EXISTS',
    where: path,
    problem: 'there is a file of this name already, so nothing was written',
    fix: 'give another folder with --dir FOLDER, or move that file away',
  });
}

function explained(failure: unknown, where: string): unknown {
  if (failure instanceof AttuneError || (failure as NodeJS.ErrnoException).code === undefined) return failure;
  const { message: problem } = failure as Error;
  const fix = 'give a folder that can be written with --dir FOLDER';
  return new AttuneError({ code: 'OUTPUT_WRITE', where, problem, fix }, { cause: failure });
}
