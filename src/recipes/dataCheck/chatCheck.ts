import {
  type ChatFormatName,
  chatExample,
  chatFormatNames,
  isTrained,
  readConversations,
} from '../../data/chat/index.ts';
import { spokenText } from '../../data/chat/spokenText.ts';
import type { CheckedTask } from './task.ts';

export const chatCheck: CheckedTask = {
  example: chatExample,
  read(rows, { columns, format }) {
    const wished = chatFormatNames.find((name) => name === format) ?? 'auto';
    const { conversations, format: found, ...problems } = readConversations(rows, { format: wished, columns });
    const messages = conversations.flatMap((one) => one.messages);
    const count = (role: string): number => messages.filter((message) => message.role === role).length;
    return {
      ...problems,
      examples: conversations.map((one) => ({ text: spokenText(one), where: one.where })),
      turns: {
        format: (found ?? null) satisfies ChatFormatName | null,
        assistant: count('assistant'),
        user: count('user'),
        trained: messages.filter(isTrained).length,
        toolCalls: messages.reduce((sum, { tool_calls: calls = [] }) => sum + calls.length, 0),
      },
    };
  },
};
