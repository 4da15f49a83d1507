/** When something is computed. A graph says what a value needs, not when memory has room for it. */
import { apply, type Operation, type Tensor } from '../../graph/index.ts';

/** x as it is, but not before y is there. */
const afterRow: Operation = {
  name: 'after',
  type: ([x]) => ({ dtype: x!.dtype, shape: x!.shape }),
  gradient: (dy) => [dy],
  // A target of zeros keeps x's shape and copies nothing; that they come from a value of y nobody can see through.
  onnx: (emit, [x, y], { inputs }) => {
    if (emit.target !== 'cpu') return emit.node('Identity', [x!]);
    const flat = emit.node('Reshape', [y!, emit.ints([-1])]);
    const first = emit.node('Slice', [...flat, emit.ints([0]), emit.ints([1])]);
    const zeros = emit.ints(new Array<number>(inputs[0]!.shape.length).fill(0));
    return emit.node('Reshape', [x!, ...emit.node('Mul', [emit.cast(first[0]!, 'int64'), zeros])]);
  },
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
