/**
 * recipes/schema — the settings of a recipe, each declared once: default, help, unit and check. Parsing, the command
 * line, editors and docs/reference/recipe.md are all made from that declaration.
 * Imports: errors, the settings of methods, zod, yaml. It never reads a model or data: only what the recipe says.
 */
export { besideRecipe } from './besideRecipe.node.ts';
export { recipeJsonSchema, recipeJsonSchemaText } from './jsonSchema.ts';
export { loadRecipe, readRecipe } from './loadRecipe.node.ts';
export { applyOverrides } from './overrides.ts';
export { parseRecipe, type RecipeDocument, resolveRecipe } from './parseRecipe.ts';
export type { Recipe, RecipeInput } from './recipeSettings.ts';
export { recipeReference } from './reference.ts';
