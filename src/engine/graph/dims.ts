/**
 * Sizes known only when the graph runs. A dimension is a number, or a polynomial over named sizes written in one
 * canonical text ('batch', 'batch*seq', '8+seq'): equal sizes are equal strings, and read well in errors.
 */
export type Dim = number | string;
export type Shape = readonly Dim[];
export type Sizes = Readonly<Record<string, number>>;

/** Monomial ('batch*seq'; '' is the constant) to coefficient. */
type Terms = Map<string, number>;

export function parseDim(dim: Dim): Terms {
  if (typeof dim === 'number') return new Map([['', dim]]);
  const terms: Terms = new Map();
  for (const text of dim.split('+')) {
    const factors = text.split('*');
    const coefficient = Number.isNaN(Number(factors[0])) ? 1 : Number(factors.shift());
    terms.set(factors.join('*'), coefficient);
  }
  return terms;
}

function printTerms(terms: Terms): Dim {
  const live = [...terms].filter(([, coefficient]) => coefficient !== 0).sort(([a], [b]) => (a < b ? -1 : 1));
  if (live.length === 0) return 0;
  if (live.length === 1 && live[0]![0] === '') return live[0]![1];
  return live.map(([names, c]) => (names === '' ? `${c}` : c === 1 ? names : `${c}*${names}`)).join('+');
}

export function plus(a: Dim, b: Dim): Dim {
  const sum = parseDim(a);
  for (const [names, coefficient] of parseDim(b)) sum.set(names, (sum.get(names) ?? 0) + coefficient);
  return printTerms(sum);
}

export function times(a: Dim, b: Dim): Dim {
  const result: Terms = new Map();
  for (const [left, c] of parseDim(a)) {
    for (const [right, d] of parseDim(b)) {
      const names = [...left.split('*'), ...right.split('*')].filter(Boolean).sort().join('*');
      result.set(names, (result.get(names) ?? 0) + c * d);
    }
  }
  return printTerms(result);
}

export const minus = (a: Dim, b: Dim): Dim => plus(a, times(-1, b));
export const product = (shape: Shape): Dim => shape.reduce(times, 1);
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i]);

/** The number behind a dimension once the named sizes are known. */
export function evaluate(dim: Dim, sizes: Sizes): number {
  if (typeof dim === 'number') return dim;
  let total = 0;
  for (const [names, coefficient] of parseDim(dim)) {
    const factors = names.split('*').filter(Boolean);
    total += factors.reduce((value, name) => value * (sizes[name] ?? Number.NaN), coefficient);
  }
  if (Number.isNaN(total)) {
    throw new Error(`internal: size of '${dim}' is unknown; known: ${Object.keys(sizes).join(', ')}`);
  }
  return total;
}

export const evaluateShape = (shape: Shape, sizes: Sizes): number[] => shape.map((dim) => evaluate(dim, sizes));

/** NumPy broadcasting: sizes are equal or 1, aligned at the right. */
export function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const left = a[i - rank + a.length] ?? 1;
    const right = b[i - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) throw new Error(`internal: cannot broadcast [${a}] with [${b}]`);
    return left === 1 ? right : left;
  });
}
