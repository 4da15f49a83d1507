import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { AttuneError, nearest } from '../../errors/index.ts';
import { applyOverrides } from './overrides.ts';
import { placed, type RecipeDocument, resolveRecipe } from './parseRecipe.ts';
import type { Recipe } from './recipeSettings.ts';
import { parseYaml } from './yamlDocument.ts';

const endings = ['.yaml', '.yml', '.json'];

/** The recipe of a file with the `key=value` arguments applied, every default filled in. `complete` comes before defaults. */
export async function loadRecipe(
  file: string,
  overrides: readonly string[] = [],
  complete: (document: unknown) => Promise<unknown> = async (document) => document,
): Promise<Recipe> {
  const source = applyOverrides(await readRecipe(file), overrides);
  return resolveRecipe({ ...source, document: await complete(source.document) });
}

/** A recipe file as it is written; problems that are found later know its lines. */
async function readRecipe(file: string): Promise<RecipeDocument> {
  if (!endings.includes(extname(file).toLowerCase())) {
    const problem = `is not a recipe: its ending is "${extname(file)}"`;
    throw fileError(file, problem, `give a file that ends in ${endings.join(', ')}`);
  }
  const text = await readText(file);
  if (extname(file).toLowerCase() === '.json') checkJson(text, file);
  const { value, lineOf } = parseYaml(text, file);
  if (value === null || value === undefined) {
    throw fileError(
      file,
      'is empty',
      'write at least model, task and data; `docs/reference/recipe.md` lists every key',
    );
  }
  const placeOf: RecipeDocument['placeOf'] = (path) => {
    const line = lineOf(path);
    return placed(line === undefined ? file : `${file}:${line}`, path);
  };
  return { document: value, placeOf, name: basename(file, extname(file)) };
}

async function readText(file: string): Promise<string> {
  const bytes = await readFile(file).catch(async (cause: NodeJS.ErrnoException) => {
    throw fileError(file, reasons[cause.code ?? ''] ?? cause.message, await fixMissing(file), cause);
  });
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw fileError(file, 'is not UTF-8 text', 'save it as UTF-8', cause);
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'is a folder',
  EACCES: 'may not be read',
};

async function fixMissing(file: string): Promise<string> {
  const folder = dirname(file);
  const names = await readdir(folder).catch(() => []);
  const close = nearest(
    basename(file),
    names.filter((name) => endings.includes(extname(name)) && name !== basename(file)),
  );
  return close ? `did you mean ${join(folder, close)}?` : `give the path of a ${endings.join(', ')} file`;
}

/** YAML would take more than JSON does: comments, keys without quotes. Other readers of the file would not. */
function checkJson(text: string, file: string): void {
  try {
    JSON.parse(text);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const position = Number(/position (\d+)/.exec(message)?.[1] ?? text.length);
    const line = text.slice(0, position).split('\n').length;
    throw fileError(`${file}:${line}`, `is not JSON: ${message}`, 'mend the JSON there, or call the file .yaml', cause);
  }
}

function fileError(where: string, problem: string, fix: string, cause?: unknown): AttuneError {
  return new AttuneError({ code: 'CONFIG_FILE', where, problem, fix }, { cause });
}
