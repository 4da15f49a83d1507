/** What a target was trained for; of a model without a history, what it can do. */
import { join } from 'node:path';
import { AttuneError } from '../errors/index.ts';
import { readModelFolder } from '../inference/modelFolder.node.ts';
import { ADAPTER_CONFIG, type Adapter, type PeftConfig } from '../store/adapters/index.ts';
import { type TaskName, taskNames } from './schema/recipeSettings.ts';
import type { Target } from './target.node.ts';

/** What PEFT calls them. */
const peftTasks: ReadonlyMap<unknown, TaskName> = new Map([
  ['SEQ_CLS', 'text-classification'],
  ['CAUSAL_LM', 'causal-lm'],
]);

export async function taskOf({ recipe, adapter, artifact }: Target): Promise<TaskName> {
  const noted = recipe?.task ?? taskNames.find((name) => name === adapter?.manifest?.task);
  const task = noted ?? (adapter && taskOfFolder(adapter));
  if (task !== undefined) return task;
  const { description, configFields } = await readModelFolder(artifact.folder);
  const { classification, languageModel } = description.architecture;
  const isScored = isClassifier((configFields['architectures'] as readonly unknown[] | undefined)?.[0]);
  // A decoder's folder holds a language model unless it says otherwise, and so does what AdapterHub and MLX-LM make for one.
  return languageModel !== undefined && !(classification && isScored) ? 'causal-lm' : 'text-classification';
}

export const isLanguageModel = async (target: Target): Promise<boolean> =>
  (await taskOf(target)) !== 'text-classification';

const isClassifier = (className: unknown): boolean => String(className).endsWith('ForSequenceClassification');

/** What a folder of another program says; undefined where it leaves that to the base. */
function taskOfFolder(adapter: Adapter): TaskName | undefined {
  if (adapter.peft) return taskOfPeft(adapter, adapter.peft);
  return adapter.chooses || isClassifier(adapter.hub?.['model_class']) ? 'text-classification' : undefined;
}

/** Where PEFT was told no task, it writes down the model's class. */
function taskOfPeft(adapter: Adapter, { task_type: type, auto_mapping: mapping }: PeftConfig): TaskName | undefined {
  if (type !== undefined && type !== null) {
    const task = peftTasks.get(type);
    if (task) return task;
    throw otherTask(adapter, 'task_type', type);
  }
  const className = (mapping as { base_model_class?: unknown } | null | undefined)?.base_model_class;
  if (isClassifier(className)) return 'text-classification';
  if (String(className).endsWith('ForCausalLM')) return 'causal-lm';
  // Tensors of a head for another task may have the very names of ours.
  if (/For[A-Z]/.test(String(className))) throw otherTask(adapter, 'auto_mapping.base_model_class', className);
  return undefined;
}

const otherTask = ({ folder }: Adapter, field: string, value: unknown): AttuneError =>
  new AttuneError({
    code: 'ADAPTER_UNSUPPORTED',
    where: join(folder, ADAPTER_CONFIG),
    problem: `${field} is ${JSON.stringify(value)}, a task that is not done here`,
    fix: `Attune opens adapters of these tasks: ${[...peftTasks.keys()].join(', ')}; if it is for one, write it into task_type`,
  });
