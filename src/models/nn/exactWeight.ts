/** A weight as its file has it, for methods that make up for what rounding takes from it. */
import { transposed } from '../../engine/ops/index.ts';
import type { ExactWeight } from './method.ts';
import type { Build } from './scope.ts';
import { roundTrip, storageOf } from './storage.ts';

interface Place {
  /** Of the parameter. */
  readonly name: string;
  /** [out, in] */
  readonly shape: readonly [number, number];
  /** The file keeps [in, out]. */
  readonly transposed: boolean;
  /** It may be kept in another form while it is frozen. */
  readonly packable: boolean;
}

type Compute = (weight: Float32Array, ...from: readonly Float32Array[]) => Float32Array;

export function exactWeight({ parameters, ownForms }: Build, place: Place): ExactWeight {
  const { name, shape, packable } = place;
  const [out, width] = shape;
  const fromFile = (values: Float32Array): Float32Array => (place.transposed ? transposed(values, width) : values);
  const toFile = (values: Float32Array): Float32Array => (place.transposed ? transposed(values, out) : values);
  const onFile = (compute: Compute): Compute => {
    return (values, ...from) => toFile(compute(fromFile(values), ...from));
  };
  return {
    rounding(precision) {
      if (!packable || parameters.get(name)!.parameter.trainable) return undefined;
      const kept = storageOf(precision, name, shape, { transposed: place.transposed, ownForms });
      const form = kept && !kept.own ? storageOf(precision, name, shape) : undefined;
      return form && ((values) => roundTrip(form, values));
    },
    start: (compute) => ({ ofFile: name, compute: (values) => compute(fromFile(values)) }),
    replace({ from, compute, rounded }) {
      const { parameter, tensor } = parameters.get(name)!;
      const replaced = { from, compute: onFile(compute), rounded: onFile(rounded) };
      parameters.set(name, { parameter: { ...parameter, replaced }, tensor });
    },
  };
}
