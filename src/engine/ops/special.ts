/** Scalar functions of the references, in double precision. */

/** erf x = 2/√π ∫₀ˣ e^(−t²) dt by Simpson's rule. */
export function errorFunction(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  const steps = 400;
  const width = x / steps;
  let sum = 1 + Math.exp(-x * x);
  for (let i = 1; i < steps; i++) sum += (i % 2 ? 4 : 2) * Math.exp(-((i * width) ** 2));
  return (2 / Math.sqrt(Math.PI)) * (width / 3) * sum;
}

export const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

export const tanhGelu = (x: number): number =>
  (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
