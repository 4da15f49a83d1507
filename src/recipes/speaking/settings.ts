import type { Problem } from '../../errors/index.ts';
import { type GenerationSettings, generationSettings } from '../../inference/generation/index.ts';
import { declared } from '../schema/declaration.ts';
import { problemsOf, recipeError } from '../schema/problems.ts';

type Checked = { readonly settings: GenerationSettings } | { readonly problems: readonly [Problem, ...Problem[]] };

/** With the defaults filled in, or all that cannot be meant: each problem names its setting. */
export function checkSettings(given: object): Checked {
  const parsed = generationSettings.safeParse(given);
  if (parsed.success) return { settings: parsed.data };
  const placeOf = (path: readonly PropertyKey[]): string => path.map(String).join('.');
  const source = { document: given, placeOf };
  const [first, ...others] = problemsOf(parsed.error.issues, declared(generationSettings), source);
  return { problems: [first!, ...others] };
}

/** With the defaults filled in; what cannot be meant is an error. */
export function checkedSettings(given: object): GenerationSettings {
  const checked = checkSettings(given);
  if ('settings' in checked) return checked.settings;
  throw recipeError(checked.problems);
}
