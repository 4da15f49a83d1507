import { createInterface } from 'node:readline';
import type { Message } from '../../data/chat/index.ts';
import { type Call, defineCommand, type Options } from '../command.ts';
import { interrupted } from '../runCommandLine.ts';
import { generationOptions, opening, precisionOf, settingsOf } from './options.ts';
import { shown } from './shown.ts';

const help = '/reset begins anew, /exit ends';

export const command = defineCommand({
  name: 'chat',
  summary: 'talks with a run or a language model',
  usage: 'TARGET',
  positionals: { least: 1, most: 1 },
  options: generationOptions,
  async run({ positionals: [target], values, out, signal }) {
    const settings = await settingsOf(values, command);
    const basePrecision = await precisionOf(values, command);
    const { openPrompter, openSpeaker, openTarget } = await import('../../recipes/speaking/index.ts');
    const opened = await openTarget(target!, signal);
    const prompter = await openPrompter(opened, { reference: target! });
    prompter.expectChat();
    await using speaker = await openSpeaker(opened, prompter, { basePrecision });
    if (process.stdin.isTTY) out.note(out.noteColors.dim(help));
    let messages: Message[] = opening(values);
    for await (const line of questions(out, signal)) {
      if (line === '/exit') break;
      if (line === '/reset') {
        messages = opening(values);
        continue;
      }
      messages.push({ role: 'user', content: line });
      const prompt = await prompter.conversation({ messages, think: values.think, where: 'the conversation' });
      const { text } = await shown(speaker.stream(prompt, { settings, signal }), out);
      messages.push({ role: 'assistant', content: text });
      if (signal.aborted) return interrupted;
    }
    return signal.aborted ? interrupted : 0;
  },
});

/** What is asked, a line each; empty lines are passed over. A terminal is shown where to write. */
async function* questions({ noteColors }: Call<Options>['out'], signal: AbortSignal): AsyncGenerator<string> {
  const isTerminal = process.stdin.isTTY === true;
  const lines = createInterface({ input: process.stdin, ...(isTerminal && { output: process.stderr }), signal });
  lines.setPrompt(isTerminal ? noteColors.bold('> ') : '');
  try {
    lines.prompt();
    for await (const line of lines) {
      if (line.trim() !== '') yield line.trim();
      lines.prompt();
    }
  } finally {
    lines.close();
  }
}
