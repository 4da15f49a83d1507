/** `{text, system?, tools?}`: what a user says, of rows that only ask. */
import { type ChatFormat, isAbsent } from './format.ts';

export const question: ChatFormat = {
  needs: { text: 'text' },
  may: { system: 'system', tools: 'tools' },
  read(_, cell) {
    const system = isAbsent(cell('system')) ? [] : [{ role: 'system', content: cell('system') }];
    return { value: { messages: [...system, { role: 'user', content: cell('text') }], tools: cell('tools') } };
  },
};
