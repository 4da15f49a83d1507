/** Typed access to what a .gguf file says about its model. */
import { AttuneError } from '../../../errors/index.ts';
import { corruptFile } from '../cursor.ts';
import type { Gguf } from '../gguf.ts';

export interface Facts {
  readonly file: Gguf;
  /** The keys of the architecture, without its name in front: `block_count`. A required count is above 0. */
  count(key: string): number;
  countIfAny(key: string): number | undefined;
  numberIfAny(key: string): number | undefined;
  number(key: string): number;
  word(key: string): string | undefined;
  has(tensor: string): boolean;
  /** The values of a small tensor. */
  floats(tensor: string): Promise<number[] | undefined>;
}

export function factsOf(file: Gguf, architecture: string): Facts {
  const get = <T>(key: string, kind: string, is: (value: unknown) => value is T): T | undefined => {
    const value = file.metadata.get(`${architecture}.${key}`);
    if (value === undefined || is(value)) return value;
    throw corruptFile(file.name, `its key '${architecture}.${key}' is ${shown(value)}, not ${kind}`);
  };
  const required = <T>(key: string, value: T | undefined): T => {
    if (value !== undefined) return value;
    throw corruptFile(file.name, `it has no key '${architecture}.${key}'`);
  };
  const countIfAny: Facts['countIfAny'] = (key) => get(key, 'a count', isCount);
  const numberIfAny: Facts['numberIfAny'] = (key) => {
    const value = get(key, 'a number', isNumber);
    return value === undefined ? undefined : asWritten(value);
  };
  return {
    file,
    countIfAny,
    numberIfAny,
    count(key) {
      const value = required(key, countIfAny(key));
      if (value > 0) return value;
      throw corruptFile(file.name, `its key '${architecture}.${key}' is 0`);
    },
    number: (key) => required(key, numberIfAny(key)),
    word: (key) => get(key, 'a word', (value) => typeof value === 'string'),
    has: (tensor) => file.tensors.has(tensor),
    async floats(name) {
      const tensor = file.tensors.get(name);
      if (!tensor) return undefined;
      const values = new Float32Array(tensor.shape.reduce((a, b) => a * b, 1));
      if (values.length > MOST_FACTORS)
        throw corruptFile(file.name, `its tensor '${name}' has ${values.length} values`);
      await file.readFloats(tensor, values);
      return Array.from(values, asWritten);
    },
  };
}

/** More than the rotary pairs of any model's heads. */
const MOST_FACTORS = 65_536;
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const shown = (value: unknown): string => (Array.isArray(value) ? 'a list' : JSON.stringify(value)?.slice(0, 60));

/** The shortest decimal number that single precision rounds to the same: 1e-5 for 0.000009999999747378752. */
function asWritten(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

export function unsupported(where: string, problem: string, fix: string): AttuneError {
  return new AttuneError({ code: 'GGUF_UNSUPPORTED', where, problem, fix });
}
