import type { Commands } from './command.ts';

/** Every command, in the order of `attune --help`. A new one is its file and a line here. */
export const commands: Commands = {
  init: () => import('./init.ts'),
  pull: () => import('./pull.ts'),
  data: () => import('./data/data.ts'),
  train: () => import('./train.ts'),
  eval: () => import('./eval.ts'),
  predict: () => import('./predict.ts'),
  generate: () => import('./generation/generate.ts'),
  chat: () => import('./generation/chat.ts'),
  merge: () => import('./export/merge.ts'),
  export: () => import('./export/export.ts'),
  doctor: () => import('./doctor.ts'),
};
