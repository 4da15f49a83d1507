/**
 * What a model expects after a text, kept small: its likeliest tokens by name, the others as how many have about which score.
 * npm run docs:generation -- MODEL writes docs/guide/generation/distribution.json anew; MODEL is a folder or a .gguf file.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openWriter } from '../../src/inference/languageModel.node.ts';

export const folder = join(import.meta.dirname, '../../docs/guide/generation');
const FILE = join(folder, 'distribution.json');
const PROMPT = 'She opened the door and saw a';
const NAMED = 24;
/** Scores of the others are kept to this step. */
const STEP = 0.25;

interface Stored {
  readonly model: string;
  readonly prompt: string;
  /** The likeliest first. */
  readonly tokens: readonly { readonly text: string; readonly score: number }[];
  /** [score, tokens with about that score] */
  readonly others: readonly (readonly [number, number])[];
}

export interface Distribution {
  readonly names: readonly string[];
  /** Of every token of the vocabulary: those with names first. */
  readonly scores: Float64Array;
}

export function readDistribution(): Distribution {
  const { tokens, others } = JSON.parse(readFileSync(FILE, 'utf8')) as Stored;
  const rest = others.flatMap(([score, count]) => new Array<number>(count).fill(score));
  return {
    names: tokens.map(({ text }) => text.trim()),
    scores: Float64Array.from([...tokens.map(({ score }) => score), ...rest]),
  };
}

export async function writeDistribution(model: string, name: string): Promise<void> {
  await using writer = await openWriter({ folder: model }, { threads: 2 });
  const { tokenizer } = writer.source;
  const ids = Int32Array.from(tokenizer.ids(PROMPT));
  const tokens = { positions: ids.map((_, at) => at), texts: ids.map(() => 1) };
  const scores = await writer.decoder.read(writer.decoder.openCache(1), ids, tokens);
  const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!);
  const counts = new Map<number, number>();
  for (const id of order.slice(NAMED)) {
    const score = Math.round(scores[id]! / STEP) * STEP;
    counts.set(score, (counts.get(score) ?? 0) + 1);
  }
  const named = order.slice(0, NAMED).map((id) => ({ text: tokenizer.decode([id]), score: rounded(scores[id]!) }));
  const stored: Stored = { model: name, prompt: PROMPT, tokens: named, others: [...counts] };
  writeFileSync(FILE, JSON.stringify(stored));
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;
