/** The settings of a recipe that change what is learned. A new setting is one of them until it is named here. */
import type { Recipe } from '../../schema/index.ts';

/** They say where, how often or on what machine, or are compared by what their files hold. */
export const freeSettings: ReadonlySet<string> = new Set([
  'model',
  'data.train',
  'data.validation',
  'data.test',
  'output_dir',
  'device',
  'threads',
  'training.logging_steps',
  'training.feature_cache',
  'training.save_strategy',
  'training.save_steps',
  'training.save_minutes',
  'training.save_total_limit',
]);

/** By their dotted keys. */
export function learningSettings(recipe: Recipe): Record<string, unknown> {
  return Object.fromEntries(flatten(recipe, '').filter(([key]) => !freeSettings.has(key)));
}

function flatten(value: unknown, path: string): [string, unknown][] {
  const isGroup = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isGroup) return value === undefined ? [] : [[path, value]];
  return Object.entries(value).flatMap(([key, inner]) => flatten(inner, path === '' ? key : `${path}.${key}`));
}
