import { usage } from '../arguments.ts';
import { defineCommand } from '../command.ts';
import { interrupted } from '../runCommandLine.ts';
import { generationOptions, opening, settingsOf } from './options.ts';

export const command = defineCommand({
  name: 'generate',
  summary: 'writes on from prompts with a run or a language model',
  usage: 'TARGET --prompt TEXT …',
  positionals: { least: 1, most: 1 },
  options: {
    prompt: { type: 'string', value: 'TEXT', multiple: true, help: 'what is asked; may be given more than once' },
    raw: { type: 'boolean', help: 'goes on from the prompt as it stands, without the chat template' },
    ...generationOptions,
  },
  async run({ positionals: [target], values, out, signal }) {
    if (values.prompt.length === 0) {
      throw usage({ command, word: target!, problem: 'no prompt is given', fix: 'add --prompt TEXT' });
    }
    if (values.raw && values.system !== undefined) {
      const fix = 'leave one of the two out';
      throw usage({ command, word: '--raw', problem: 'a text as it stands has no system message', fix });
    }
    const options = await settingsOf(values, command);
    const { openSpeaker } = await import('../../recipes/generate.node.ts');
    await using speaker = await openSpeaker(target!, signal);
    const how = { options, think: values.think, signal, onText: (piece: string) => out.part(piece) };
    for (const prompt of values.prompt) {
      const isChat = speaker.isChat && !values.raw;
      const asked = [...opening(values), { role: 'user', content: prompt } as const];
      const answer = await (isChat ? speaker.reply(asked, how) : speaker.complete(prompt, how));
      out.part('\n');
      out.object({ text: answer.text, finish_reason: answer.finishReason, tokens: answer.tokens });
      if (signal.aborted) return interrupted;
    }
    return 0;
  },
});
