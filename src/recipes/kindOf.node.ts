/** What a target was trained for; of a model without a history, what it can do. */
import { readModelFolder } from '../inference/modelFolder.node.ts';
import { type TaskName, taskNames } from './schema/recipeSettings.ts';
import type { Target } from './target.node.ts';

/** What PEFT calls them. */
const peftTasks: Readonly<Record<string, TaskName>> = { SEQ_CLS: 'text-classification', CAUSAL_LM: 'causal-lm' };

export async function taskOf({ recipe, adapter, artifact }: Target): Promise<TaskName> {
  const noted = recipe?.task ?? taskNames.find((name) => name === adapter?.manifest?.task);
  const task = noted ?? peftTasks[String(adapter?.peft?.['task_type'])];
  if (task !== undefined) return task;
  if (String(adapter?.hub?.['model_class']).endsWith('ForSequenceClassification')) return 'text-classification';
  const { description, configFields } = await readModelFolder(artifact.folder);
  const { classification, languageModel } = description.architecture;
  const isScored = String((configFields['architectures'] as readonly unknown[] | undefined)?.[0]).endsWith(
    'ForSequenceClassification',
  );
  // A decoder's folder holds a language model unless it says otherwise, and so does what AdapterHub and MLX-LM make for one.
  return languageModel !== undefined && !(classification && isScored) ? 'causal-lm' : 'text-classification';
}

export const isLanguageModel = async (target: Target): Promise<boolean> =>
  (await taskOf(target)) !== 'text-classification';
