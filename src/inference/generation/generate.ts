/** Token after token: prompts in a batch, each row until it ends. */
import { type Stream, stream, uniform } from '../../engine/random/index.ts';
import type { Cache, Tokens } from './cache.ts';
import { chooseToken } from './choose.ts';
import type { Decoder } from './decoder.ts';
import { refuseUnusable } from './refusals.ts';
import { type GenerationOptions, type GenerationSettings, generationSettings } from './settings.ts';

export interface GenerationRequest {
  /** Tokens of each prompt, as the model's template and tokenizer give them. */
  readonly inputIds: readonly (readonly number[])[];
  /** Tokens that end a text; they are not part of it. */
  readonly endIds?: readonly number[];
  /** The same for each prompt, where they differ. */
  readonly endIdsOf?: (prompt: number) => readonly number[];
  /** Text of generated tokens: needed where `stop` is set. */
  readonly decode?: (tokens: readonly number[]) => string;
  /** Numbers of the prompts among all that are asked: draws depend on them. Left out: their places here. */
  readonly numbers?: readonly number[];
  readonly signal?: Pick<AbortSignal, 'aborted'> | undefined;
}

/** `stop`: an end token or a text to stop at; `length`: no room is left. */
export type FinishReason = 'stop' | 'length' | 'aborted';

export interface Completion {
  /** Number of the prompt, and of the text among those generated for it. */
  readonly prompt: number;
  readonly sample: number;
  /** Without the end token, but with the tokens of a text that `stop` names. */
  readonly tokens: readonly number[];
  readonly finishReason: FinishReason;
}

export interface GeneratedToken {
  readonly prompt: number;
  readonly sample: number;
  /** Undefined where the text ends without one. */
  readonly token: number | undefined;
  /** Undefined while the text goes on. */
  readonly finishReason: FinishReason | undefined;
}

/** All texts, prompt after prompt. */
export async function generate(
  decoder: Decoder,
  request: GenerationRequest,
  options: GenerationOptions = {},
): Promise<Completion[]> {
  const settings = generationSettings.parse(options);
  const rows = openRows(request, settings);
  for await (const _ of steps(decoder, rows, { request, settings }));
  return rows.map(({ prompt, sample, generated, finishReason }) => {
    return { prompt, sample, tokens: generated, finishReason: finishReason ?? 'aborted' };
  });
}

/** The tokens of all texts as they come. */
export function streamTokens(
  decoder: Decoder,
  request: GenerationRequest,
  options: GenerationOptions = {},
): AsyncGenerator<GeneratedToken> {
  const settings = generationSettings.parse(options);
  return steps(decoder, openRows(request, settings), { request, settings });
}

interface Row {
  readonly prompt: number;
  readonly sample: number;
  readonly inputIds: readonly number[];
  readonly generated: number[];
  finishReason?: FinishReason;
}

const openRows = ({ inputIds }: GenerationRequest, { n }: GenerationSettings): Row[] =>
  inputIds.flatMap((ids, prompt) =>
    Array.from({ length: n }, (_, sample) => ({ prompt, sample, inputIds: ids, generated: [] })),
  );

interface Generating {
  readonly request: GenerationRequest;
  readonly settings: GenerationSettings;
}

/** Samples of a prompt that are written at once: each row keeps the keys and values of all that it read. */
const SAMPLES_AT_ONCE = 8;

async function* steps(
  decoder: Decoder,
  rows: readonly Row[],
  { request, settings }: Generating,
): AsyncGenerator<GeneratedToken> {
  refuseUnusable(decoder, request, settings);
  const random = stream(settings.seed, 'generation');
  const read = await readPrompts(decoder, request);
  if (!read) return;
  // How many prompts stand together is the caller's business.
  const atOnce = Math.max(SAMPLES_AT_ONCE, request.inputIds.length);
  for (let start = 0; start < rows.length; start += atOnce) {
    if (request.signal?.aborted) return;
    yield* stepsOf(rows.slice(start, start + atOnce), read, { decoder, request, settings, random });
  }
}

interface Choosing extends Generating {
  readonly decoder: Decoder;
  readonly random: Stream;
}

/** What prompts left: by their numbers. */
interface ReadPrompts {
  readonly cache: Cache;
  readonly logits: readonly Float32Array[];
}

async function* stepsOf(rows: readonly Row[], read: ReadPrompts, choosing: Choosing): AsyncGenerator<GeneratedToken> {
  const { decoder, request } = choosing;
  let live = [...rows];
  let cache = read.cache.select(live.map(({ prompt }) => prompt));
  let logits = live.map(({ prompt }) => read.logits[prompt]!);
  while (live.length > 0) {
    for (const [i, row] of live.entries()) yield takeToken(row, logits[i]!, choosing);
    const going = live.flatMap((row, i) => (row.finishReason || request.signal?.aborted ? [] : [i]));
    if (going.length === 0) return;
    if (going.length < live.length) cache = cache.select(going);
    live = going.map((i) => live[i]!);
    logits = rowsOf(await readLast(decoder, cache, live), live.length);
  }
}

/** A row's draws depend on its number and its length alone: who stands beside it changes nothing. */
function takeToken(row: Row, logits: Float32Array, { decoder, request, settings, random }: Choosing): GeneratedToken {
  const { prompt, sample, inputIds, generated } = row;
  const number = request.numbers?.[prompt] ?? prompt;
  const draw = (): number => uniform(random, generated.length, number * settings.n + sample);
  const token = chooseToken(logits, { prompt: inputIds, generated }, { settings, draw });
  if ((request.endIdsOf?.(prompt) ?? request.endIds)?.includes(token)) {
    row.finishReason = 'stop';
    return { prompt, sample, token: undefined, finishReason: 'stop' };
  }
  generated.push(token);
  const full = generated.length >= settings.max_new_tokens || inputIds.length + generated.length >= decoder.longest;
  if (stops(generated, request, settings)) row.finishReason = 'stop';
  else if (full) row.finishReason = 'length';
  return { prompt, sample, token, finishReason: row.finishReason };
}

function stops(generated: readonly number[], { decode }: GenerationRequest, { stop }: GenerationSettings): boolean {
  if (stop.length === 0) return false;
  const text = decode!(generated);
  return stop.some((end) => text.includes(end));
}

/** Long prompts are read piece by piece: what is kept for a piece grows with its length times that of the whole. */
const PIECE = 512;

/** Prompts of unequal lengths are padded on the left, so that all of them end together. Undefined where it is told to end. */
async function readPrompts(
  decoder: Decoder,
  { inputIds: prompts, signal }: GenerationRequest,
): Promise<ReadPrompts | undefined> {
  const longest = Math.max(...prompts.map((ids) => ids.length));
  const cache = decoder.openCache(prompts.length);
  let logits: readonly Float32Array[] = [];
  for (let start = 0; start < longest; start += PIECE) {
    if (signal?.aborted) return undefined;
    const length = Math.min(PIECE, longest - start);
    const at = (fill: (ids: readonly number[], index: number) => number): Int32Array =>
      Int32Array.from({ length: prompts.length * length }, (_, i) => {
        const ids = prompts[Math.floor(i / length)]!;
        const index = start + (i % length) - (longest - ids.length);
        return index < 0 ? 0 : fill(ids, index);
      });
    const tokens: Tokens = { positions: at((_, index) => index), texts: at(() => 1) };
    const scores = await decoder.read(
      cache,
      at((ids, index) => ids[index]!),
      tokens,
    );
    logits = rowsOf(scores, prompts.length);
  }
  return { cache, logits };
}

function readLast(decoder: Decoder, cache: Cache, rows: readonly Row[]): Promise<Float32Array> {
  const ids = Int32Array.from(rows, ({ generated }) => generated.at(-1)!);
  const positions = Int32Array.from(rows, ({ inputIds, generated }) => inputIds.length + generated.length - 1);
  return decoder.read(cache, ids, { positions, texts: new Int32Array(rows.length).fill(1) });
}

function rowsOf(scores: Float32Array, count: number): Float32Array[] {
  const width = scores.length / count;
  return Array.from({ length: count }, (_, row) => scores.subarray(row * width, (row + 1) * width));
}
