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
    const found = await evaluateTarget(positionals[0]!, { ...(data && { data }), signal });
    const { metrics, examples, truncated, dropped, maxLength } = found;
    out.object({ metrics, examples, truncated, dropped, retention: null });
    const counts = {
      examples,
      ...(truncated > 0 && { [`cut to ${maxLength} tokens`]: truncated }),
      ...(dropped > 0 && { dropped }),
    };
    const line = (name: string, value: string): string => `${name.padEnd(22)} ${value}`;
    const measured = Object.entries(metrics).map(([name, value]) => line(name, value.toFixed(4)));
    out.text([...measured, ...Object.entries(counts).map(([name, value]) => line(name, count(value)))].join('\n'));
    return 0;
  },
});
