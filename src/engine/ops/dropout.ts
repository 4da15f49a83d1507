/** Dropout with masks from outside: bytes of 1 where a value is kept (https://jmlr.org/papers/v15/srivastava14a.html). */
import { apply, applyAll, type Emitter, type Operation, type Tensor } from '../graph/index.ts';
import { sum } from './broadcast.ts';
import { mul, sub } from './elementwise.ts';
import { softmaxReference } from './normalise.ts';

interface Rate {
  readonly rate: number;
}

/** x·mask/(1 − rate), for a mask of x's shape. */
const dropoutRow: Operation<Rate> = {
  name: 'dropout',
  type: ([x]) => x!,
  gradient: (dy, [, mask], _, { rate }) => [dropout(dy, mask!, rate)],
  onnx: (emit, [x, mask], { attributes }) => emit.node('Mul', [x!, factors(emit, mask!, attributes)]),
  reference: ([x, mask], { rate }) => [x!.data.map((value, i) => (value * mask!.data[i]!) / (1 - rate))],
  samples: [
    {
      inputs: [['batch', 'seq', 4], { shape: ['batch', 'seq', 4], below: 2, dtype: 'uint8' }],
      attributes: { rate: 0.1 },
    },
  ],
};

function factors(emit: Emitter, mask: string, { rate }: Rate): string {
  const scale = emit.scalar(1 / (1 - rate), 'float32');
  if (emit.target === 'cpu') return emit.node('DequantizeLinear', [mask, scale])[0]!;
  return emit.node('Mul', [emit.cast(mask, 'float32'), scale])[0]!;
}

/**
 * Softmax over the last axis, then dropout: attention's weights. Also returns the weights as they were before.
 * With p the softmax and y what is left of it, dy·mask·p/(1 − rate) is dy·y: the gradient needs no mask.
 */
const droppedSoftmaxRow: Operation<Rate> = {
  name: 'droppedSoftmax',
  type: ([x]) => [x!, x!],
  gradient: (dy, [x], [y, p]) => {
    const weighted = mul(dy, y!);
    return [sub(weighted, mul(p!, sum(weighted, [x!.shape.length - 1])))];
  },
  onnx: (emit, [x, mask], { attributes }) => {
    const p = emit.node('Softmax', [x!], { axis: -1 })[0]!;
    return [emit.node('Mul', [p, factors(emit, mask!, attributes)])[0]!, p];
  },
  reference: ([x, mask], { rate }) => {
    const p = softmaxReference(x!);
    return [p.map((value, i) => (value * mask!.data[i]!) / (1 - rate)), p];
  },
  samples: [
    {
      inputs: [['batch', 'seq', 4], { shape: ['batch', 'seq', 4], below: 2, dtype: 'uint8' }],
      attributes: { rate: 0.2 },
    },
  ],
};

export const dropoutRows = { dropout: dropoutRow, droppedSoftmax: droppedSoftmaxRow };

export const dropout = (x: Tensor, mask: Tensor, rate: number): Tensor => apply(dropoutRow, [x, mask], { rate });
export const droppedSoftmax = (x: Tensor, mask: Tensor, rate: number): Tensor =>
  applyAll(droppedSoftmaxRow, [x, mask], { rate })[0]!;
