/**
 * recipes/speaking — a language model is asked: what it is asked is written as it learned to read it, and answered one by one
 * or many at once. Imports inference, evaluation, data, errors.
 * Invariant: what is wrong with a question is told before a weight is opened.
 */
export { openTarget } from '../target.node.ts';
export { openPrompter, type Prompt, type Prompter } from './prompter.node.ts';
export { type Answer, openSpeaker, type Speaker } from './speaker.node.ts';
