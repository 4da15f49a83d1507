import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';

/**
 * Paths in a recipe start at the current working folder. When nothing is there but something lies beside the recipe,
 * this is its path, for the fix of the error that names the missing file.
 */
export function besideRecipe(path: string, recipeFile: string): string | undefined {
  if (isAbsolute(path) || existsSync(path)) return undefined;
  const beside = join(dirname(recipeFile), path);
  return existsSync(beside) ? beside : undefined;
}
