/**
 * Modules of a model that its file lacks, such as BERT's pooler where the file was saved without: they start from random
 * numbers, so they belong to what is trained and saved with the head, whatever the method.
 */
import type { Method, Parameter } from '../models/nn/index.ts';
import { type MethodSettings, methods } from './index.ts';
import { isSaved, moduleOf } from './targets.ts';

const hasList = ({ name }: MethodSettings): boolean => 'modules_to_save' in methods[name].settings.shape;

/** The settings with them in `modules_to_save`, where the method has it: nothing else is added to them then. */
export function savingNew(settings: MethodSettings, modules: readonly string[]): MethodSettings {
  if (!hasList(settings)) return settings;
  const { modules_to_save: saved = [] } = settings as { readonly modules_to_save?: readonly string[] };
  const others = modules.filter((module) => !isSaved({ modules_to_save: saved }, `${module}.weight`));
  return others.length === 0 ? settings : ({ ...settings, modules_to_save: [...saved, ...others] } as MethodSettings);
}

/** Those that no setting names: they are saved as the head's are. */
export const besideHead = (settings: MethodSettings, modules: readonly string[]): readonly string[] =>
  hasList(settings) ? [] : modules;

export const trainsNew = (modules: readonly string[]): Method => ({
  name: 'new_modules',
  trains: ({ name }) => modules.includes(moduleOf(name)),
});

/** Of an adapter that answers: the weights of the model that it has were trained, and so are not kept in fewer bits. */
export const trainedWeights = (adapter: { shapeOf(name: Parameter['name']): unknown }): Method => ({
  name: 'trained_weights',
  trains: ({ name }) => adapter.shapeOf(name) !== undefined,
});
