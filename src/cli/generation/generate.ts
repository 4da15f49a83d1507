import { usage } from '../arguments.ts';
import { defineCommand } from '../command.ts';
import { interrupted } from '../runCommandLine.ts';
import { generationOptions, opening, precisionOf, settingsOf } from './options.ts';
import { show, shown } from './shown.ts';

export const command = defineCommand({
  name: 'generate',
  summary: 'writes on from prompts with a run or a language model',
  usage: 'TARGET --prompt TEXT …',
  positionals: { least: 1, most: 1 },
  options: {
    prompt: { type: 'string', value: 'TEXT', multiple: true, help: 'what is asked; may be given more than once' },
    n: { type: 'number', value: 'N', help: 'how many answers are written to each prompt; left out, 1' },
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
    const settings = await settingsOf(values, command);
    const basePrecision = await precisionOf(values, command);
    const { openPrompter, openSpeaker, openTarget } = await import('../../recipes/speaking/index.ts');
    const opened = await openTarget(target!, signal);
    const prompter = await openPrompter(opened, { reference: target! });
    prompter.expectSettings(settings);
    const prompts: (readonly number[])[] = [];
    for (const [i, text] of values.prompt.entries()) {
      const where = values.prompt.length > 1 ? `prompt ${i + 1}` : 'prompt';
      const messages = [...opening(values), { role: 'user', content: text } as const];
      const asks = prompter.isChat && !values.raw;
      prompts.push(
        asks ? await prompter.conversation({ messages, think: values.think, where }) : prompter.text(text, where),
      );
    }
    await using speaker = await openSpeaker(opened, prompter, { basePrecision });
    for (const [firstNumber, prompt] of prompts.entries()) {
      const how = { settings, firstNumber, signal };
      if (settings.n === 1) await shown(speaker.stream(prompt, how), out);
      else for (const answer of await speaker.answers([prompt], how)) show(answer, out);
      if (signal.aborted) return interrupted;
    }
    return 0;
  },
});
