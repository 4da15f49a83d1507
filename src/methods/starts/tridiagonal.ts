/**
 * Eigenvalues and eigenvectors of a symmetric tridiagonal matrix, by implicit QL with Wilkinson's shift (Golub and Van Loan,
 * Matrix Computations, section 8.3).
 */

/** From the numbers on the diagonal and those beside it. The largest value comes first. */
export function eigenpairs(diagonal: readonly number[], beside: readonly number[]) {
  const n = diagonal.length;
  const d = Float64Array.from(diagonal);
  const e = Float64Array.from({ length: n }, (_, i) => beside[i] ?? 0);
  const vectors = Array.from({ length: n }, (_, i) => {
    const unit = new Float64Array(n);
    unit[i] = 1;
    return unit;
  });
  for (let first = 0; first < n; first++) {
    for (let last = uncoupled(d, e, first); last > first; last = uncoupled(d, e, first)) {
      chase(d, e, { first, last, vectors });
    }
  }
  const order = [...d.keys()].sort((i, j) => d[j]! - d[i]!);
  return { values: order.map((i) => d[i]!), vectors: order.map((i) => vectors[i]!) };
}

/** The end of the block that begins at a row: where the next entry beside the diagonal is nothing. */
function uncoupled(d: Float64Array, e: Float64Array, first: number): number {
  let last = first;
  while (last < d.length - 1 && Math.abs(e[last]!) > Number.EPSILON * (Math.abs(d[last]!) + Math.abs(d[last + 1]!))) {
    last++;
  }
  return last;
}

interface Coupled {
  readonly first: number;
  readonly last: number;
  readonly vectors: readonly Float64Array[];
}

/** One sweep of rotations over a block, from its end to its beginning. */
function chase(d: Float64Array, e: Float64Array, { first, last, vectors }: Coupled): void {
  const half = (d[first + 1]! - d[first]!) / (2 * e[first]!);
  const shift = d[first]! - e[first]! / (half + Math.sign(half || 1) * Math.hypot(half, 1));
  let [sine, cosine, moved] = [1, 1, 0];
  let bulge = d[last]! - shift;
  for (let i = last - 1; i >= first; i--) {
    const [lost, kept] = [sine * e[i]!, cosine * e[i]!];
    const length = Math.hypot(lost, bulge);
    e[i + 1] = length;
    if (length === 0) {
      d[i + 1]! -= moved;
      e[last] = 0;
      return;
    }
    [sine, cosine] = [lost / length, bulge / length];
    const corner = d[i + 1]! - moved;
    const turned = (d[i]! - corner) * sine + 2 * cosine * kept;
    moved = sine * turned;
    d[i + 1] = corner + moved;
    bulge = cosine * turned - kept;
    rotate(vectors[i]!, vectors[i + 1]!, sine, cosine);
  }
  d[first]! -= moved;
  e[first] = bulge;
  e[last] = 0;
}

function rotate(lower: Float64Array, upper: Float64Array, sine: number, cosine: number): void {
  for (let k = 0; k < lower.length; k++) {
    const [low, high] = [lower[k]!, upper[k]!];
    upper[k] = sine * low + cosine * high;
    lower[k] = cosine * low - sine * high;
  }
}
