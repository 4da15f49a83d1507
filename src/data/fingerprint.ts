/** Texts made ready to be compared: what stays of them once case, width, punctuation and spaces are set aside. */

export interface Fingerprint {
  /** Equal for texts that are the same but for case, width, punctuation and spaces. */
  readonly normalised: string;
  /** Hashes of its word 5-grams, each once, ascending. */
  readonly shingles: Float64Array;
}

export function fingerprint(text: string): Fingerprint {
  const normalised = normalise(text);
  return { normalised, shingles: shinglesOf(normalised) };
}

/** Letters, their marks and digits, the rest as single spaces. A text without any, such as `:-)`, keeps its signs. */
function normalise(text: string): string {
  const folded = text.normalize('NFKC').toLowerCase();
  const words = folded.replace(/[^\p{L}\p{M}\p{N}]+/gu, ' ').trim();
  return words === '' ? folded.replace(/\s+/g, ' ').trim() : words;
}

const SHINGLE_TOKENS = 5;
const unspaced = String.raw`\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}`;
/** A word, or one character in scripts that set no spaces: there the 5-grams are of characters. */
const token = new RegExp(`[${unspaced}]|[^\\s${unspaced}]+`, 'gu');

function shinglesOf(normalised: string): Float64Array {
  const hashes = Array.from(normalised.match(token) ?? [], hashesOf);
  // A text shorter than a shingle is one shingle: it resembles only texts of the same words.
  const length = Math.min(SHINGLE_TOKENS, hashes.length);
  const shingles = new Set<number>();
  for (let end = length; length > 0 && end <= hashes.length; end++) {
    shingles.add(combined(hashes, end - length, end));
  }
  return Float64Array.from(shingles).sort();
}

type Hashes = readonly [number, number];

/** Two hashes of 32 bits: of one, some pair among a million shingles would collide. */
function hashesOf(word: string): Hashes {
  let low = 0x811c9dc5;
  let high = 0x9747b28c;
  for (let i = 0; i < word.length; i++) {
    const unit = word.charCodeAt(i);
    low = mixed(low, unit);
    high = mixed(high, unit + 0x10000);
  }
  return [low, high];
}

/** One number of 52 bits for the tokens from `start` to `end`. */
function combined(hashes: readonly Hashes[], start: number, end: number): number {
  let low = 0;
  let high = 0;
  for (let i = start; i < end; i++) {
    low = mixed(low, hashes[i]![0]);
    high = mixed(high, hashes[i]![1]);
  }
  return (low >>> 0) * 0x100000 + (high >>> 12);
}

/** A step of MurmurHash3. */
function mixed(hash: number, value: number): number {
  let next = Math.imul(value, 0xcc9e2d51);
  next = Math.imul((next << 15) | (next >>> 17), 0x1b873593) ^ hash;
  return (Math.imul((next << 13) | (next >>> 19), 5) + 0xe6546b64) | 0;
}
