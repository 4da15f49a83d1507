/** The words that `export` and `merge` are called with, checked. */
import { nearest } from '../../errors/index.ts';
import { combinations } from '../../methods/sums/combine.ts';
import { type Form, forms, isAdapterForm, mergeBases, type Precision, precisions } from '../../recipes/export/index.ts';
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
    const fix = 'leave it out; the weights of the other forms are float32';
    throw usage({ command, word: '--dtype', problem: `it does not go with --to ${form}`, fix });
  }
  const words = new Set(list.split(',').map((word) => word.trim()));
  return [...words].map((word) => oneOf(precisions, { command, option: '--dtype', word }));
}

export function mergingOf(command: Command, values: Values<typeof mergeOptions>, form: Form) {
  const { base, data, 'max-drift': maxDrift } = values;
  if (isAdapterForm(form) && (base !== undefined || data.length > 0 || maxDrift !== undefined)) {
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

/** Weights by target where all words are `TARGET=WEIGHT`; undefined for one target to fold. */
export function sumOf(command: Command, words: readonly string[]): ReadonlyMap<string, number> | undefined {
  const parts = words.map((word) => /^(.+)=([+-]?\d*\.?\d+(?:e[+-]?\d+)?)$/i.exec(word));
  if (words.length === 1 && !parts[0]) return undefined;
  const weights = new Map<string, number>();
  for (const [i, word] of words.entries()) {
    const [, target, weight] = parts[i] ?? [];
    const problem = target === undefined ? 'it has no weight' : weights.has(target) ? 'it is given twice' : undefined;
    if (problem) throw usage({ command, word, problem, fix: 'write each adapter once, with its weight: runs/a=0.7' });
    weights.set(target!, Number(weight));
  }
  return weights;
}

interface SumValues {
  readonly combination: string | undefined;
  readonly rank: number | undefined;
}

export function combinationOf(
  command: Command,
  { combination = 'cat', rank, ...others }: SumValues & Values<typeof mergeOptions>,
) {
  const chosen = oneOf(combinations, { command, option: '--combination', word: combination });
  const isFolding = others.base !== undefined || others.data.length > 0 || others['max-drift'] !== undefined;
  const refuse = (word: string, problem: string, fix: string) => usage({ command, word, problem, fix });
  if (isFolding) {
    const fix = 'leave --base, --data and --max-drift out; merge the sum into its base afterwards';
    throw refuse('TARGET=WEIGHT', 'a sum is an adapter, and nothing is folded into weights', fix);
  }
  if (rank !== undefined && chosen !== 'svd') {
    throw refuse(
      '--rank',
      `the rank of ${chosen} follows from the adapters'`,
      'add --combination svd, or leave it out',
    );
  }
  if (rank !== undefined && !(Number.isInteger(rank) && rank > 0)) {
    throw refuse('--rank', `got ${rank}`, 'give a whole number above 0');
  }
  return { combination: chosen, rank };
}

export function refuseSumOptions(command: Command, { combination, rank }: SumValues): void {
  const word = combination === undefined ? (rank === undefined ? undefined : '--rank') : '--combination';
  if (word === undefined) return;
  const fix = 'give adapters with weights: runs/a=0.7 runs/b=0.3';
  throw usage({ command, word, problem: 'it is for sums of adapters', fix });
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
