import { AttuneError } from '../errors/index.ts';
import type { predictWith } from '../recipes/index.ts';
import { usage } from './arguments.ts';
import { type Call, defineCommand, type Options } from './command.ts';
import { generationOptions, precisionOf, settingsOf } from './generation/options.ts';

export const command = defineCommand({
  name: 'predict',
  summary: 'answers for texts or conversations, one line each',
  usage: 'TARGET [TEXT …] [--input FILE]',
  positionals: { least: 1 },
  options: {
    input: {
      type: 'string',
      value: 'FILE',
      multiple: true,
      help: 'file with the texts, or of a language model with conversations (jsonl, json, csv, tsv)',
    },
    ...generationOptions,
  },
  async run({ positionals: [target, ...words], values, out, signal }) {
    const { predictWith } = await import('../recipes/index.ts');
    const texts = words.map((text) => ({ text }));
    if (values.input.length > 0 === texts.length > 0) throw oneOfBoth(target!);
    const inputs = texts.length > 0 ? { texts } : { files: values.input };
    const { system, think } = values;
    const speaking = async () => {
      const [settings, basePrecision] = [await settingsOf(values, command), await precisionOf(values, command)];
      return { settings, basePrecision, system, think };
    };
    for await (const answered of predictWith(target!, { inputs, signal, speaking, labelling: () => refuse(values) })) {
      show(answered, out);
      if (out.isClosed) return 0;
      await out.drained();
    }
    return 0;
  },
});

type Shown = ReturnType<typeof predictWith> extends AsyncGenerator<infer One> ? One : never;

/** An answer on one line, and the beginning of what was asked. */
function show(answered: Shown, out: Call<Options>['out']): void {
  const { bold, dim } = out.colors;
  const oneLine = (text: string): string => text.replace(/\s+/g, ' ');
  if ('prediction' in answered) {
    const { input, prediction } = answered;
    out.object(prediction);
    const line = `${bold(prediction.label)}  ${prediction.score.toFixed(4)}  ${dim(oneLine(input.text).slice(0, 80))}`;
    if (!out.json) out.text(line);
    return;
  }
  const { text, finishReason, tokens, toolCalls } = answered.answer;
  const calls = answered.offersTools ? { tool_calls: toolCalls } : {};
  out.object({ text, finish_reason: finishReason, tokens, ...calls });
  if (!out.json) out.text(`${bold(oneLine(text).trim())}  ${dim(oneLine(answered.asked).slice(0, 80))}`);
}

/** Nothing is written by a classifier. */
function refuse(values: Readonly<Record<string, unknown>>): void {
  const isGiven = (value: unknown): boolean =>
    Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
  const given = Object.keys(generationOptions).find((name) => isGiven(values[name]));
  if (given === undefined) return;
  const problem = 'the target is a classifier, which writes no text';
  throw usage({ command, word: `--${given}`, problem, fix: 'leave it out' });
}

function oneOfBoth(target: string): AttuneError {
  return new AttuneError({
    code: 'USAGE',
    where: `predict ${target}`,
    problem: 'the texts come either as words of the command or from files',
    fix: `call: attune predict ${target} "a text", or: attune predict ${target} --input FILE`,
  });
}
