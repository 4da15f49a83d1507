import { createInterface } from 'node:readline';
import type { Message } from '../../data/chat/index.ts';
import { AttuneError } from '../../errors/index.ts';
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
    prompter.expectSettings(settings);
    await using speaker = await openSpeaker(opened, prompter, { basePrecision });
    if (process.stdin.isTTY) out.note(out.noteColors.dim(help));
    let messages: Message[] = opening(values);
    let refused = 0;
    for await (const line of questions(out, signal)) {
      if (line === '/exit') break;
      if (line === '/reset') {
        messages = opening(values);
        continue;
      }
      const asked: Message[] = [...messages, { role: 'user', content: line }];
      try {
        const prompt = await prompter.conversation({ messages: asked, think: values.think, where: 'the conversation' });
        const { text } = await shown(speaker.stream(prompt, { settings, signal }), out);
        messages = [...asked, { role: 'assistant', content: text }];
      } catch (failure) {
        if (!(failure instanceof AttuneError) || failure.code !== 'PROMPT_LENGTH') throw failure;
        // The model stays loaded, and the line is as if it had not been said.
        out.error(tooLong(failure, asked.length > opening(values).length + 1));
        refused = failure.exitCode;
      }
      if (signal.aborted) return interrupted;
    }
    if (signal.aborted) return interrupted;
    // A program learns that it was not answered everywhere.
    return process.stdin.isTTY ? 0 : refused;
  },
});

function tooLong({ code, where, problem }: AttuneError, hasBegun: boolean): AttuneError {
  const fix = hasBegun
    ? 'the line was taken back: write a shorter one, or begin anew with /reset'
    : 'write a shorter line';
  return new AttuneError({ code, where, problem, fix });
}

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
