/** The 95 % quantile of the normal distribution, on both sides. */
const Z = 1.959963984540054;

/** Where a share lies that was measured on so many rows, with 95 % confidence (Wilson, 1927). */
export function wilsonInterval(share: number, rows: number): readonly [low: number, high: number] {
  if (rows === 0) return [0, 1];
  const z2 = (Z * Z) / rows;
  const middle = share + z2 / 2;
  const spread = Z * Math.sqrt((share * (1 - share)) / rows + z2 / (4 * rows));
  const at = (value: number): number => Math.min(1, Math.max(0, value / (1 + z2)));
  return [at(middle - spread), at(middle + spread)];
}
