/** `{messages: [{role, content, …}], tools?}`: OpenAI's form, and that of Transformers, TRL, MLX-LM and Axolotl. */
import { failed } from '../message.ts';
import type { ChatFormat } from './format.ts';
import { listOf } from './listOf.ts';

export const messages: ChatFormat = {
  needs: { messages: 'messages' },
  may: { tools: 'tools' },
  read({ values }, cell) {
    const list = listOf(cell('messages'));
    if (list === undefined) return failed('CHAT_MESSAGES', 'the messages are no list', 'write a list of messages');
    if (list.length === 0) return failed('CHAT_MESSAGES', 'the list of messages is empty', 'remove the row');
    // `functions` is OpenAI's older name for the tools.
    return { value: { messages: list, tools: cell('tools') ?? values.functions } };
  },
};
