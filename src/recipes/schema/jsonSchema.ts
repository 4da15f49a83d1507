import { type Declared, declaredRecipe } from './declaration.ts';

/** The declaration for editors: what a recipe may hold, as plain JSON Schema (draft 7, which most editors read). */
export function recipeJsonSchema(): Declared {
  const { $schema, ...rest } = declaredRecipe();
  const title = 'Attune recipe';
  return standard({ $schema, title, description: 'What to fine-tune, on what, and how.', ...rest });
}

/** attune.schema.json as it is written. */
export function recipeJsonSchemaText(): string {
  return `${JSON.stringify(recipeJsonSchema(), null, 2)}\n`;
}

/** Folds our own words into the description: a strict reader of JSON Schema refuses keywords it does not know. */
function standard(declared: Declared): Declared {
  const { unit, aliases: _a, takes: _t, defaultText, sameAs: _s, without: _w, ...rest } = declared;
  const remarks = [unit && `Unit: ${unit}.`, defaultText && `Default: ${defaultText}.`].filter(Boolean);
  const described = rest.description ? { ...rest, description: [rest.description, ...remarks].join(' ') } : rest;
  return withInner(described);
}

function withInner(declared: Declared): Declared {
  const { properties, anyOf, oneOf } = declared as Record<string, unknown> & Declared;
  const entries = Object.entries((properties ?? {}) as Record<string, Declared>);
  return {
    ...declared,
    ...(properties && { properties: Object.fromEntries(entries.map(([key, child]) => [key, standard(child)])) }),
    ...(anyOf && { anyOf: (anyOf as Declared[]).map(standard) }),
    ...(oneOf && { oneOf: (oneOf as Declared[]).map(standard) }),
  };
}
