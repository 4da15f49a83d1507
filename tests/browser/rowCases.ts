/** Every row of the table of operations on its samples: what is computed, from what, and what the reference says. */
import { gradients } from '../../src/engine/autodiff/index.ts';
import {
  applyAll,
  type DType,
  dataFrom,
  evaluateShape,
  type HostArray,
  input,
  interpret,
  type Operation,
  type Sample,
  type Sizes,
  sizeOf,
  type Tensor,
} from '../../src/engine/graph/index.ts';
import { add, mul, sumAll } from '../../src/engine/ops/index.ts';
import { normal, type Stream, stream, uniform } from '../../src/engine/random/index.ts';
import type { Value, Values } from '../../src/engine/runtime/index.ts';

export const caseSizes: Sizes = { batch: 2, seq: 3 };

interface Input {
  readonly tensor: Tensor;
  readonly value: HostArray;
}

export interface RowCase {
  readonly inputs: readonly Input[];
  /** A weighted sum of the row's first output, or of all that count, so that every dy differs. */
  readonly loss: Tensor;
  /** Inputs that the row has a gradient for, and these gradients. */
  readonly differentiated: readonly Input[];
  readonly analytic: readonly Tensor[];
  /** The row's outputs and the gradients. */
  readonly named: Readonly<Record<string, Tensor>>;
  readonly feeds: ReadonlyMap<Tensor, HostArray>;
}

/** Added to a score it leaves nothing of its exponential. */
const HIDDEN = -1e4;

function sampleInput(random: Stream, sample: Sample<unknown>['inputs'][number], name: string): Input {
  const spec = 'shape' in sample ? sample : { shape: sample };
  const shape = evaluateShape(spec.shape, caseSizes);
  let drawn = 0;
  const draw = (): number => {
    if ('below' in spec) {
      const { from = 0, below } = spec;
      return from + Math.floor(uniform(random, drawn++) * (below - from));
    }
    if ('positive' in spec) return 0.5 + uniform(random, drawn++);
    return normal(random, drawn++) * ('scale' in spec ? spec.scale : 1);
  };
  const dtype: DType = 'dtype' in spec ? spec.dtype : 'float32';
  const [rows, columns] = shape.slice(-2) as [number, number];
  const isLater = (at: number): boolean => at % columns > Math.floor(at / columns) % rows;
  const hides = (at: number): boolean => 'inOrder' in spec && isLater(at);
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, at) => (hides(at) ? HIDDEN : draw()));
  return { tensor: input(name, dtype, spec.shape), value: { shape, data } };
}

export function rowCase(operation: Operation<unknown>, sample: Sample<unknown>): RowCase {
  const draw = (spec: Sample<unknown>['inputs'][number], name: string): Input =>
    sampleInput(stream(1, `${operation.name} ${name}`), spec, name);
  const inputs = sample.inputs.map((spec, i) => draw(spec, `x${i}`));
  const tensors = inputs.map(({ tensor }) => tensor);
  const outputs = applyAll(operation, tensors, sample.attributes);
  const counted = operation.everyOutput ? outputs : outputs.slice(0, 1);
  const dys = counted.map(({ shape }, i) => draw(shape, `dy${i || ''}`));
  const loss = counted.map((output, i) => sumAll(mul(output, dys[i]!.tensor))).reduce((a, b) => add(a, b));
  const rules = operation.gradient(outputs[0]!, tensors, outputs, sample.attributes, outputs);
  const differentiated = inputs.filter(({ tensor }, i) => tensor.dtype === 'float32' && rules[i]);
  const wanted = differentiated.map(({ tensor }) => tensor);
  const analytic = wanted.length > 0 ? gradients(loss, wanted) : [];
  const named = Object.fromEntries([...outputs, ...analytic].map((tensor, i) => [`y${i}`, tensor]));
  return {
    inputs,
    loss,
    differentiated,
    analytic,
    named,
    feeds: new Map([...inputs, ...dys].map((one) => [one.tensor, one.value])),
  };
}

/** What the model of a case is fed; a model does not always read all of it. */
export const feedsOf = ({ feeds }: Pick<RowCase, 'feeds'>, read?: ReadonlySet<string>): Values =>
  Object.fromEntries(
    [...feeds]
      .filter(([{ name }]) => read?.has(name!) ?? true)
      .map(([{ name, dtype }, { shape, data }]) => [name!, { dtype, shape, data: dataFrom(data, dtype) }]),
  );

/** Largest |actual − reference| / max(1, |reference|) over all outputs of a case. */
export function largestError({ named, feeds }: RowCase, actual: Readonly<Record<string, Value>>): number {
  const names = Object.keys(named);
  const errors = interpret(Object.values(named), feeds, caseSizes).map(({ data }, i) => {
    const found = actual[names[i]!]!.data;
    if (found.length !== data.length) throw new Error(`${names[i]}: ${found.length} values, expected ${data.length}`);
    return Math.max(...data.map((value, k) => Math.abs(Number(found[k]) - value) / Math.max(1, Math.abs(value))));
  });
  return Math.max(...errors);
}
