import type { TextInput } from '../inference/classifier.node.ts';

/** What a program gives: a text alone stands for an input of one part. */
export const asTextInput = (input: string | TextInput): TextInput =>
  typeof input === 'string' ? { text: input } : input;
