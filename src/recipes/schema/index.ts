/**
 * recipes/schema — the settings of a recipe, each declared once: default, help, unit and check. Parsing, the command
 * line, editors and docs/reference/recipe.md are all made from that declaration.
 * Imports: errors, the settings of methods, zod, yaml. It never reads a model or data: only what the recipe says.
 */
export { recipeJsonSchemaText } from './jsonSchema.ts';
export { loadRecipe } from './loadRecipe.node.ts';
export { parseRecipe, type RecipeDocument } from './parseRecipe.ts';
export type { Recipe, RecipeInput } from './recipeSettings.ts';
export { recipeReference } from './reference.ts';
