import { defineCommand } from '../command.ts';
import { mergeOptions } from './options.ts';
import { showExported } from './show.ts';

export const command = defineCommand({
  name: 'merge',
  summary: 'folds an adapter into its base: a Hugging Face folder that answers the same',
  usage: 'TARGET --output FOLDER',
  positionals: { least: 1, most: 1 },
  options: {
    output: { type: 'string', value: 'FOLDER', help: 'where the model goes; empty, or not there yet' },
    ...mergeOptions,
  },
  async run({ positionals, values, out, signal }) {
    const { exportTarget } = await import('../../recipes/export/index.ts');
    const { mergingOf, requireOutput } = await import('./words.ts');
    const output = requireOutput(command, values.output);
    const merging = mergingOf(command, values, 'hf');
    showExported(await exportTarget(positionals[0]!, { form: 'hf', output, precisions: [], ...merging, signal }), out);
    return 0;
  },
});
