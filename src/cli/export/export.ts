import { defineCommand } from '../command.ts';
import { mergeOptions } from './options.ts';
import { showExported } from './show.ts';

export const command = defineCommand({
  name: 'export',
  summary: 'writes a run or a model as files that other programs open',
  usage: 'TARGET --to onnx|hf|peft|mlx|adapterhub --output FOLDER [--dtype fp32,int8]',
  positionals: { least: 1, most: 1 },
  options: {
    to: {
      type: 'string',
      value: 'FORM',
      help: 'onnx: for transformers.js; hf: a whole Hugging Face model; peft, mlx, adapterhub: the adapter alone',
    },
    output: { type: 'string', value: 'FOLDER', help: 'where the files go; empty, or not there yet' },
    dtype: { type: 'string', value: 'LIST', help: 'of onnx: fp32, int8, or both with a comma; left out, both' },
    ...mergeOptions,
  },
  async run({ positionals, values, out, signal }) {
    const { exportTarget } = await import('../../recipes/export/index.ts');
    const { formOf, mergingOf, precisionsOf, requireOutput } = await import('./words.ts');
    const form = formOf(command, values.to);
    const wanted = precisionsOf(command, values.dtype, form);
    const output = requireOutput(command, values.output);
    const merging = mergingOf(command, values, form);
    showExported(await exportTarget(positionals[0]!, { form, output, precisions: wanted, ...merging, signal }), out);
    return 0;
  },
});
