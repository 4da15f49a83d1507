/** Keys and values of what was read, so that a token is read once: a method that puts the past before a layer's own keys. */
// B rows · K heads of keys · P places of the past · T new tokens · C head width
import { input, type Tensor } from '../../engine/graph/index.ts';
import type { Value, Values } from '../../engine/runtime/index.ts';
import type { Keys, Method } from '../../models/nn/index.ts';

export interface CacheMethod extends Method {
  /** Keys and values of the new tokens, by the names that a session gives them. [B, K, T, C] */
  readonly present: Readonly<Record<string, Tensor>>;
}

const POSITIONS = 'past_positions';
const TEXTS = 'past_texts';
const pastName = (present: string): string => present.replace('present', 'past');

/** The first tokens of a text have a past of places that belong to no text: one graph serves them and all that follow. */
export function cacheMethod(): CacheMethod {
  const present: Record<string, Tensor> = {};
  const keys: Keys = {
    positions: input(POSITIONS, 'int32', ['batch', 'past']),
    texts: input(TEXTS, 'int32', ['batch', 'past']),
  };
  return {
    name: 'cache',
    present,
    keyValue({ path, key, value, biasOf }, next) {
      const [batch, heads, , width] = key.shape;
      const past = (name: string): Tensor => input(pastName(name), 'float32', [batch!, heads!, 'past', width!]);
      const names = [`present.${path}.key`, `present.${path}.value`] as const;
      present[names[0]] = key;
      present[names[1]] = value;
      return [{ key: past(names[0]), value: past(names[1]), bias: biasOf!(keys) }, ...next()];
    },
  };
}

interface Layer {
  /** Of the output that it keeps. */
  readonly present: string;
  readonly heads: number;
  readonly width: number;
  /** [rows, heads, capacity, width] */
  data: Float32Array;
}

/** Where the new tokens stand, and 1 where there is one: 0 is padding. [B, T] */
export interface Tokens {
  readonly positions: Int32Array;
  readonly texts: Int32Array;
}

/** Of some rows, which have read the same number of tokens, padding included. */
export interface Cache {
  readonly rows: number;
  /** Nothing was read yet. */
  readonly isEmpty: boolean;
  /** What the graph reads of the past. */
  feeds(): Values;
  /** Takes the keys and values of tokens that were read. */
  append(results: Values, tokens: Tokens): void;
  /** These rows alone, in this order; a row may come more than once. */
  select(rows: readonly number[]): Cache;
}

/** What else a graph reads of rows, by the numbers that they had when the cache was opened. */
export type RowFeeds = (rows: readonly number[]) => Values;

/** Places are added so many at once. */
const BLOCK = 64;

export function openCache(
  present: Readonly<Record<string, Tensor>>,
  rows: number,
  rowFeeds: RowFeeds = () => ({}),
): Cache {
  const layers = Object.entries(present).map(([name, { shape }]): Layer => {
    return { present: name, heads: shape[1] as number, width: shape[3] as number, data: new Float32Array(0) };
  });
  const empty = { rows, length: 0, capacity: 0, positions: new Int32Array(0), texts: new Int32Array(0) };
  const origins = { numbers: [...Array(rows).keys()], feeds: rowFeeds };
  // Never without a place: ONNX Runtime's Reshape does not take sizes of 0.
  return cacheOf(layers, grown(layers, empty, 1), origins);
}

interface Origins {
  readonly numbers: readonly number[];
  readonly feeds: RowFeeds;
}

interface State extends Tokens {
  readonly rows: number;
  readonly length: number;
  readonly capacity: number;
}

function cacheOf(layers: readonly Layer[], start: State, origins: Origins): Cache {
  let state = start;
  return {
    rows: start.rows,
    get isEmpty() {
      return state.length === 0;
    },
    feeds() {
      const { rows, capacity, positions, texts } = state;
      const perPlace = (data: Int32Array): Value => ({ dtype: 'int32', shape: [rows, capacity], data });
      const past = layers.map(({ present, heads, width, data }): [string, Value] => [
        pastName(present),
        { dtype: 'float32', shape: [rows, heads, capacity, width], data },
      ]);
      const own = origins.feeds(origins.numbers);
      return { [POSITIONS]: perPlace(positions), [TEXTS]: perPlace(texts), ...Object.fromEntries(past), ...own };
    },
    append(results, tokens) {
      const count = tokens.positions.length / state.rows;
      if (state.length + count > state.capacity) state = grown(layers, state, state.length + count);
      const { rows, length, capacity } = state;
      for (const { present, heads, width, data } of layers) {
        const from = { data: results[present]!.data as Float32Array, size: count * width };
        copyBlocks(from, { data, size: capacity * width, at: length * width }, rows * heads);
      }
      for (const name of ['positions', 'texts'] as const) {
        copyBlocks({ data: tokens[name], size: count }, { data: state[name], size: capacity, at: length }, rows);
      }
      state = { ...state, length: length + count };
    },
    select(rows) {
      const { capacity, positions, texts } = state;
      const chosen = layers.map((layer) => ({ ...layer, data: rowsOf(layer.data, rows, state.rows) }));
      const kept = { positions: rowsOf(positions, rows, state.rows), texts: rowsOf(texts, rows, state.rows) };
      const numbers = rows.map((row) => origins.numbers[row]!);
      return cacheOf(chosen, { rows: rows.length, length: state.length, capacity, ...kept }, { ...origins, numbers });
    },
  };
}

/** The same with room for `length` places and some more. What is not used yet belongs to no text, so nothing sees it. */
function grown(layers: readonly Layer[], state: State, length: number): State {
  const { rows, capacity } = state;
  const wanted = Math.ceil(Math.max(length, capacity * 1.5) / BLOCK) * BLOCK;
  for (const layer of layers) {
    const { heads, width, data } = layer;
    layer.data = new Float32Array(rows * heads * wanted * width);
    copyBlocks({ data, size: capacity * width }, { data: layer.data, size: wanted * width, at: 0 }, rows * heads);
  }
  const longer = (data: Int32Array): Int32Array => {
    const result = new Int32Array(rows * wanted);
    copyBlocks({ data, size: capacity }, { data: result, size: wanted, at: 0 }, rows);
    return result;
  };
  return { ...state, capacity: wanted, positions: longer(state.positions), texts: longer(state.texts) };
}

type Numbers = Float32Array | Int32Array;

/** Each block of `from`, to its place in a block of `to`. */
function copyBlocks(
  from: { data: Numbers; size: number },
  to: { data: Numbers; size: number; at: number },
  blocks: number,
): void {
  for (let block = 0; block < blocks; block++) {
    to.data.set(from.data.subarray(block * from.size, (block + 1) * from.size), block * to.size + to.at);
  }
}

function rowsOf<A extends Numbers>(data: A, rows: readonly number[], all: number): A {
  const size = data.length / all;
  const result = new (data.constructor as new (length: number) => A)(rows.length * size);
  rows.forEach((row, i) => {
    result.set(data.subarray(row * size, (row + 1) * size), i * size);
  });
  return result;
}
