/**
 * recipes/init — recipes to start from. Imports recipes/schema, store, errors.
 * Invariant: what a comment says of a setting comes from its declaration.
 */
import { chat, chatZh } from './chat.ts';
import { sentencePairs } from './sentencePairs.ts';
import { sentimentZh } from './sentimentZh.ts';
import type { Template } from './template.ts';
import { textClassification } from './textClassification.ts';

/** The first is the one that is written when none is named. */
export const templates: readonly [Template, ...Template[]] = [
  textClassification,
  sentimentZh,
  sentencePairs,
  chat,
  chatZh,
];

export type { Paths, Template } from './template.ts';
export { writeTemplate } from './writeTemplate.node.ts';
