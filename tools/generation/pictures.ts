/** The pictures of docs/guide/generation.md: what each setting makes of one distribution, by the product's own functions. */
import { stream, uniform } from '../../src/engine/random/index.ts';
import { chooseToken, narrowed, penalised } from '../../src/inference/generation/choose.ts';
import { type GenerationOptions, generationSettings } from '../../src/inference/generation/index.ts';
import { barChart, type Row } from './chart.ts';
import { type Distribution, readDistribution } from './distribution.ts';

/** Tokens that have a row of their own. */
const SHOWN = 14;

interface Picture {
  readonly title: string;
  readonly settings: GenerationOptions;
  /** What the text has so far, by the names of tokens. */
  readonly generated?: readonly string[];
  /** Biases by the names of tokens. */
  readonly bias?: Readonly<Record<string, number>>;
  /** Tokens are drawn so often, and their shares are shown. */
  readonly draws?: number;
}

const repeated = ['young', 'woman', 'young', 'figure', 'young'];
const pictures: Readonly<Record<string, Picture>> = {
  'temperature-low': { title: 'temperature 0.5', settings: { temperature: 0.5 } },
  'temperature-high': { title: 'temperature 1.5', settings: { temperature: 1.5 } },
  'top-k': { title: 'top_k 5', settings: { temperature: 1, top_k: 5 } },
  'top-p': { title: 'top_p 0.4', settings: { temperature: 1, top_p: 0.4 } },
  'min-p': { title: 'min_p 0.1', settings: { temperature: 1, min_p: 0.1 } },
  'min-p-hot': { title: 'temperature 1.5, min_p 0.1', settings: { temperature: 1.5, min_p: 0.1 } },
  'repetition-penalty': {
    title: 'repetition_penalty 1.1',
    settings: { temperature: 1, repetition_penalty: 1.1 },
    generated: repeated,
  },
  'presence-penalty': {
    title: 'presence_penalty 1',
    settings: { temperature: 1, presence_penalty: 1 },
    generated: repeated,
  },
  'frequency-penalty': {
    title: 'frequency_penalty 1',
    settings: { temperature: 1, frequency_penalty: 1 },
    generated: repeated,
  },
  'logit-bias': {
    title: 'logit_bias {young: -100, man: 2}',
    settings: { temperature: 1 },
    bias: { young: -100, man: 2 },
  },
  'seed-1': { title: 'n 100, seed 1', settings: { temperature: 1, top_k: 10, seed: 1 }, draws: 100 },
  'seed-2': { title: 'n 100, seed 2', settings: { temperature: 1, top_k: 10, seed: 2 }, draws: 100 },
};

/** Files by name. */
export function drawPictures(): Readonly<Record<string, string>> {
  const distribution = readDistribution();
  const drawn = Object.entries(pictures).map(([name, picture]) => {
    const rows = rowsOf(shares(distribution.scores), after(distribution, picture), distribution.names);
    return [`${name}.svg`, barChart(picture.title, rows)];
  });
  return Object.fromEntries(drawn);
}

function after({ names, scores }: Distribution, picture: Picture): number[] {
  const idOf = (name: string): number => names.indexOf(name);
  const bias = Object.entries(picture.bias ?? {}).map(([name, value]) => [String(idOf(name)), value]);
  const settings = generationSettings.parse({ ...picture.settings, logit_bias: Object.fromEntries(bias) });
  const written = { prompt: [], generated: (picture.generated ?? []).map(idOf) };
  const { draws } = picture;
  if (!draws) return shares(narrowed(penalised(scores, written, settings), settings));
  const counts = new Array<number>(scores.length).fill(0);
  const random = stream(settings.seed, 'generation');
  for (let sample = 0; sample < draws; sample++) {
    counts[chooseToken(scores, written, { settings, draw: () => uniform(random, 0, sample) })]! += 1 / draws;
  }
  return counts;
}

/** Probabilities of scores. */
function shares(scores: Float64Array): number[] {
  const highest = scores.reduce((a, b) => Math.max(a, b));
  const weights = Array.from(scores, (score) => Math.exp(score - highest));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

/** The likeliest tokens, and all others in one row. */
function rowsOf(before: readonly number[], now: readonly number[], names: readonly string[]): Row[] {
  const sum = (values: readonly number[]): number => values.slice(SHOWN).reduce((a, b) => a + b, 0);
  const shown = names.slice(0, SHOWN).map((name, i) => ({ name, before: before[i]!, after: now[i]! }));
  return [...shown, { name: '…', before: sum(before), after: sum(now) }];
}
