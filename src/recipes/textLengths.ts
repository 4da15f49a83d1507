/** Lengths of texts in characters (code points). */
export interface Lengths {
  readonly min: number;
  readonly median: number;
  /** 95 % of the texts are no longer. */
  readonly p95: number;
  readonly max: number;
}

export function textLengths(texts: readonly string[]): Lengths | undefined {
  if (texts.length === 0) return undefined;
  const lengths = texts.map(codePoints).sort((a, b) => a - b);
  /** The shortest length that this share of the texts does not exceed. */
  const at = (share: number): number => lengths[Math.max(0, Math.ceil(share * lengths.length) - 1)]!;
  return { min: at(0), median: at(0.5), p95: at(0.95), max: at(1) };
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
