import type { Conversation } from './conversation.ts';

/** All that is said in a conversation, one turn below the other: what is compared with other rows. */
export const spokenText = ({ messages }: Conversation): string =>
  messages
    .flatMap(({ content, tool_calls: calls = [] }) => [content, ...calls.map((call) => JSON.stringify(call.function))])
    .filter((text) => text !== '')
    .join('\n');
