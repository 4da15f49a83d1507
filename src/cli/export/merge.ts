import { type Call, defineCommand } from '../command.ts';
import { bytes } from '../figures.ts';
import { mergeOptions } from './options.ts';
import { showExported } from './show.ts';

const options = {
  output: { type: 'string', value: 'FOLDER', help: 'where the result goes; empty, or not there yet' },
  ...mergeOptions,
  combination: {
    type: 'string',
    value: 'HOW',
    help: 'of a sum: cat (exact, ranks add up; left out), linear, or svd (the nearest of a rank)',
  },
  rank: { type: 'number', value: 'N', help: "of svd; left out, the largest of the adapters'" },
} as const;

export const command = defineCommand({
  name: 'merge',
  summary: 'folds an adapter into its base, or adds adapters up: TARGET=0.7 TARGET=0.3 becomes an adapter',
  usage: 'TARGET [TARGET=WEIGHT …] --output FOLDER',
  positionals: { least: 1 },
  options,
  async run(call) {
    const { sumOf } = await import('./words.ts');
    const weights = sumOf(command, call.positionals);
    return weights ? await add(call, weights) : await fold(call);
  },
});

/** A whole model. */
async function fold({ positionals, values, out, signal }: Call<typeof options>): Promise<number> {
  const { exportTarget } = await import('../../recipes/export/index.ts');
  const { mergingOf, refuseSumOptions, requireOutput } = await import('./words.ts');
  const output = requireOutput(command, values.output);
  refuseSumOptions(command, values);
  const merging = mergingOf(command, values, 'hf');
  showExported(await exportTarget(positionals[0]!, { form: 'hf', output, precisions: [], ...merging, signal }), out);
  return 0;
}

/** An adapter. */
async function add(
  { values, out, signal }: Call<typeof options>,
  weights: ReadonlyMap<string, number>,
): Promise<number> {
  const { sumAdapters } = await import('../../recipes/sums/sumAdapters.node.ts');
  const { combinationOf, requireOutput } = await import('./words.ts');
  const output = requireOutput(command, values.output);
  const { path, files, combination, rank } = await sumAdapters(weights, {
    output,
    ...combinationOf(command, values),
    signal,
  });
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  out.object({ path, bytes: total, files: files.map(({ name }) => name), combination, rank });
  out.text(`${out.colors.bold(path)}  ${out.colors.dim(bytes(total))}\n${combination}, rank ${rank}`);
  return 0;
}
