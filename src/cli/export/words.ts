/** The words that `export` and `merge` are called with, checked. */
import { nearest } from '../../errors/index.ts';
import { type Form, forms, mergeBases, type Precision, precisions } from '../../recipes/export/index.ts';
import { usage } from '../arguments.ts';
import type { Command, Values } from '../command.ts';
import type { mergeOptions } from './options.ts';

export function requireOutput(command: Command, output: string | undefined): string {
  if (output !== undefined) return output;
  throw usage({ command, problem: 'it is not said where the files go', fix: 'add --output FOLDER' });
}

export function formOf(command: Command, word: string | undefined): Form {
  if (word !== undefined) return oneOf(forms, { command, option: '--to', word });
  throw usage({ command, problem: 'it is not said what to write', fix: `add --to ${forms.join('|')}` });
}

export function precisionsOf(command: Command, list: string | undefined, form: Form): readonly Precision[] {
  if (list === undefined) return precisions;
  if (form !== 'onnx') {
    const fix = 'leave it out; the weights of hf, peft and mlx are float32';
    throw usage({ command, word: '--dtype', problem: `it does not go with --to ${form}`, fix });
  }
  const words = new Set(list.split(',').map((word) => word.trim()));
  return [...words].map((word) => oneOf(precisions, { command, option: '--dtype', word }));
}

export function mergingOf(command: Command, values: Values<typeof mergeOptions>, form: Form) {
  const { base, data, 'max-drift': maxDrift } = values;
  const isAlone = form === 'peft' || form === 'mlx';
  if (isAlone && (base !== undefined || data.length > 0 || maxDrift !== undefined)) {
    const fix = 'leave --base, --data and --max-drift out; nothing is folded into weights there';
    throw usage({ command, word: '--to', problem: `${form} writes the adapter alone`, fix });
  }
  if (maxDrift !== undefined && maxDrift < 0) {
    throw usage({ command, word: '--max-drift', problem: `got ${maxDrift}`, fix: 'give a share of 0 or more' });
  }
  return {
    base: base === undefined ? undefined : oneOf(mergeBases, { command, option: '--base', word: base }),
    data: data.length > 0 ? data : undefined,
    maxDrift,
  };
}

interface Given {
  readonly command: Command;
  readonly option: string;
  readonly word: string;
}

function oneOf<T extends string>(words: readonly T[], { command, option, word }: Given): T {
  const found = words.find((one) => one === word);
  if (found !== undefined) return found;
  const close = nearest(word, words);
  const fix = `${close ? `did you mean ${close}? ` : ''}give ${words.join(', ')}`;
  throw usage({ command, word: option, problem: `got ${JSON.stringify(word)}`, fix });
}
