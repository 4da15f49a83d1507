/** When something is computed. A graph says what a value needs, not when memory has room for it. */
import { apply, type Emitter, type Operation, type Tensor } from '../../graph/index.ts';

/**
 * Writes x, of so many axes, as it is, but not before y is there. A target of zeros keeps x's shape and copies nothing;
 * that they come from a value of y nobody can see through.
 */
export function delayed(emit: Emitter, x: string, y: string, axes: number): string {
  const target = emit.node('Expand', [zeroOnce(emit, y), emit.ints([axes])]);
  return emit.node('Reshape', [x, ...target])[0]!;
}

/** 0 [1], once y is there. */
export function zeroOnce(emit: Emitter, y: string): string {
  const first = emit.node('Slice', [...emit.node('Reshape', [y, emit.ints([-1])]), emit.ints([0]), emit.ints([1])]);
  return emit.node('Mul', [emit.cast(first[0]!, 'int64'), emit.ints([0])])[0]!;
}

/** x as it is, but not before y is there. */
const afterRow: Operation = {
  name: 'after',
  type: ([x]) => ({ dtype: x!.dtype, shape: x!.shape }),
  gradient: (dy) => [dy],
  onnx: (emit, [x, y], { inputs }) =>
    emit.target === 'cpu' ? [delayed(emit, x!, y!, inputs[0]!.shape.length)] : emit.node('Identity', [x!]),
  reference: ([x]) => [x!.data],
  samples: [
    {
      inputs: [
        ['batch', 'seq', 4],
        ['seq', 3],
      ],
    },
  ],
};

export const orderRows = { after: afterRow };

/** What is made of the result is made after y: then, and not when its inputs are at hand, it takes memory. */
export const after = (x: Tensor, y: Tensor): Tensor => apply<void>(afterRow, [x, y], undefined);
