/** 0 times anything finite is 0, and times anything else NaN: one addition each, as models are large. */
export function areFinite(values: Float32Array): boolean {
  let probe = 0;
  for (let i = 0; i < values.length; i++) probe += values[i]! * 0;
  return probe === 0;
}
