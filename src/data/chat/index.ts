/**
 * data/chat — rows to conversations, conversations to tokens that are learned from or only read.
 * Imports: errors, data. Invariant: a turn is learned from only where its tokens are proved to be its own.
 */
export { type ChatRowOptions, chatRows } from './chatRows.ts';
export { type Conversation, isTrained } from './conversation.ts';
export {
  type ChatFormatName,
  type ChatWishes,
  type CheckedConversations,
  chatExample,
  chatFormatNames,
  readConversations,
} from './conversations.ts';
export { type Encoded, encodeConversation } from './encode.ts';
export type { ChatMessage, Message, Role } from './message.ts';
export { checkPrompt, readPrompts } from './prompts.ts';
export { type ChatTemplate, openTemplate, type TemplateSource } from './template.ts';
export type { Tool, ToolCall } from './toolCalls.ts';
