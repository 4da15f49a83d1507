import { defineCommand } from './command.ts';
import { count } from './figures.ts';

export const command = defineCommand({
  name: 'eval',
  summary: 'measures a run or a model on labelled data',
  usage: 'TARGET [--data FILE]',
  positionals: { least: 1, most: 1 },
  options: {
    data: {
      type: 'string',
      value: 'FILE',
      multiple: true,
      help: "labelled file; left out, the run's own test or validation data",
    },
  },
  async run({ positionals, values, out, signal }) {
    const { evaluateTarget } = await import('../recipes/index.ts');
    const data = values.data.length > 0 ? values.data : undefined;
    const { metrics, examples } = await evaluateTarget(positionals[0]!, { ...(data && { data }), signal });
    out.object({ metrics, examples, retention: null });
    const lines = Object.entries(metrics).map(([name, value]) => `${name.padEnd(22)} ${value.toFixed(4)}`);
    out.text([...lines, `${'examples'.padEnd(22)} ${count(examples)}`].join('\n'));
    return 0;
  },
});
