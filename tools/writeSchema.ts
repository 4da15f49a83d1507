/** Writes what is generated from the declaration of the settings: attune.schema.json and docs/reference/recipe.md. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { recipeJsonSchemaText, recipeReference } from '../src/recipes/schema/index.ts';

const root = new URL('../', import.meta.url);
mkdirSync(new URL('docs/reference/', root), { recursive: true });
writeFileSync(new URL('attune.schema.json', root), recipeJsonSchemaText());
writeFileSync(new URL('docs/reference/recipe.md', root), recipeReference());
