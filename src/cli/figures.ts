/** How figures are written for people: short, and of one width where they change in place. */
export { bytes, count, duration } from '../recipes/figures.ts';

/** A loss or a metric: `0.4123`, `12.35`. */
export function score(value: number): string {
  return Math.abs(value) < 10 ? value.toFixed(4) : value.toFixed(2);
}

/** A learning rate: `4.81e-5`. */
export function rate(value: number): string {
  return value === 0 ? '0' : value.toExponential(2);
}
