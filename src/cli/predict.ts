import { AttuneError } from '../errors/index.ts';
import { defineCommand } from './command.ts';

export const command = defineCommand({
  name: 'predict',
  summary: 'answers for texts, one line each',
  usage: 'TARGET [TEXT …] [--input FILE]',
  positionals: { least: 1 },
  options: {
    input: { type: 'string', value: 'FILE', multiple: true, help: 'file with the texts (jsonl, json, csv, tsv)' },
  },
  async run({ positionals: [target, ...words], values, out, signal }) {
    const { predictWith } = await import('../recipes/index.ts');
    const texts = words.map((text) => ({ text }));
    if (values.input.length > 0 === texts.length > 0) throw oneOfBoth(target!);
    const inputs = texts.length > 0 ? { texts } : { files: values.input };
    for await (const { input, prediction } of predictWith(target!, inputs, signal)) {
      out.object(prediction);
      const { bold, dim } = out.colors;
      const start = input.text.replace(/\s+/g, ' ').slice(0, 80);
      if (!out.json) out.text(`${bold(prediction.label)}  ${prediction.score.toFixed(4)}  ${dim(start)}`);
      if (out.isClosed) return 0;
      await out.drained();
    }
    return 0;
  },
});

function oneOfBoth(target: string): AttuneError {
  return new AttuneError({
    code: 'USAGE',
    where: `predict ${target}`,
    problem: 'the texts come either as words of the command or from files',
    fix: `call: attune predict ${target} "a text", or: attune predict ${target} --input FILE`,
  });
}
