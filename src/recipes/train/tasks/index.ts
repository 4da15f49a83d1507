/**
 * recipes/train/tasks — what a run asks of its task, and a row for each: how rows are read, the program, what is measured
 * and saved. A new task is its file and a line here.
 */
import type { TaskName } from '../../schema/recipeSettings.ts';
import { causalLm } from './causalLm.node.ts';
import { sft } from './sft.node.ts';
import type { RunTask } from './task.ts';
import { textClassification } from './textClassification.ts';

export const runTasks: Readonly<Record<TaskName, RunTask>> = {
  'text-classification': textClassification,
  sft,
  'causal-lm': causalLm,
};

export type { Measured, RunTask, Written, WrittenTurn } from './task.ts';
