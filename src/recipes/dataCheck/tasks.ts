/** What each task asks of data files. A new task is a line here and the file that it names. */
import { chatCheck } from './chatCheck.ts';
import { classificationCheck } from './classificationCheck.ts';
import type { CheckedTask } from './task.ts';
import { textCheck } from './textCheck.ts';

export type CheckedTaskName = 'text-classification' | 'sft' | 'causal-lm';

export const checkedTasks: Readonly<Record<CheckedTaskName, CheckedTask>> = {
  'text-classification': classificationCheck,
  sft: chatCheck,
  'causal-lm': textCheck,
};
