/** Small arrays in double precision and the index arithmetic on them: what references and numeric checks compute with. */
export interface HostArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Steps between neighbours along each axis of a row-major array. */
export const strides = (shape: readonly number[]): number[] => shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));

/** For every position of `out`, the position in an array of `shape` that broadcasts there. */
export function offsets(shape: readonly number[], out: readonly number[]): number[] {
  const own = strides(shape);
  const outer = strides(out);
  const skip = out.length - shape.length;
  const step = (position: number, dim: number, axis: number): number =>
    dim === 1 ? 0 : own[axis]! * (Math.floor(position / outer[axis + skip]!) % out[axis + skip]!);
  return Array.from({ length: sizeOf(out) }, (_, position) =>
    shape.reduce((at, dim, axis) => at + step(position, dim, axis), 0),
  );
}
