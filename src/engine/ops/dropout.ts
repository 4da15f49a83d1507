/** Dropout (https://jmlr.org/papers/v15/srivastava14a.html). */
import { apply, type Operation, type Tensor } from '../graph/index.ts';

/**
 * y = x·mask / (1 − rate) for a mask of zeros and ones [same shape as x], which a counter-based stream makes outside
 * the graph: the step is then a function of its inputs, and the state of its randomness is one number.
 */
const dropoutRow: Operation<{ rate: number }> = {
  name: 'dropout',
  type: ([x]) => ({ dtype: x!.dtype, shape: x!.shape }),
  gradient: (dy, [, mask], _, { rate }) => [dropout(dy, mask!, rate), undefined],
  onnx: (emit, [x, mask], { attributes: { rate } }) => {
    const factors = emit.node('DequantizeLinear', [mask!, emit.scalar(1 / (1 - rate), 'float32')]);
    return emit.node('Mul', [x!, ...factors]);
  },
  reference: ([x, mask], { rate }) => [x!.data.map((value, i) => (value * mask!.data[i]!) / (1 - rate))],
  samples: [
    {
      inputs: [['batch', 'seq', 4], { shape: ['batch', 'seq', 4], below: 2, dtype: 'uint8' }],
      attributes: { rate: 0.25 },
    },
  ],
};

export const dropoutRows = { dropout: dropoutRow };

/** x and mask are of one shape; mask is uint8 with 1 where x is kept. */
export const dropout = (x: Tensor, mask: Tensor, rate: number): Tensor => apply(dropoutRow, [x, mask], { rate });
