import { type GenerationSettings, generationSettings } from '../../inference/generation/index.ts';
import { declared } from '../schema/declaration.ts';
import { problemsOf, recipeError } from '../schema/problems.ts';

/** With the defaults filled in; what cannot be meant is an error that names the setting. */
export function checkedSettings(given: object): GenerationSettings {
  const parsed = generationSettings.safeParse(given);
  if (parsed.success) return parsed.data;
  const placeOf = (path: readonly PropertyKey[]): string => path.map(String).join('.');
  const source = { document: given, placeOf };
  const [first, ...others] = problemsOf(parsed.error.issues, declared(generationSettings), source);
  throw recipeError([first!, ...others]);
}
