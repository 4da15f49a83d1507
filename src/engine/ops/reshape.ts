/** The same values under another shape. */
import { apply, expectShape, type Operation, product, type Shape, sameShape, type Tensor } from '../graph/index.ts';

const reshapeRow: Operation<{ shape: Shape }> = {
  name: 'reshape',
  type: ([x], { shape }) => {
    expectShape(`elements of reshape [${x!.shape}] to [${shape}]`, [product(x!.shape)], [product(shape)]);
    return { dtype: x!.dtype, shape };
  },
  gradient: (dy, [x]) => [reshape(dy, x!.shape)],
  onnx: (emit, [x], { inputs, attributes }) =>
    emit.node('Reshape', [x!, emit.reshapeTarget(inputs[0]!.shape, attributes.shape)]),
  reference: ([x]) => [x!.data],
  samples: [
    { inputs: [['batch', 'seq', 4]], attributes: { shape: ['batch*seq', 4] } },
    { inputs: [['batch*seq', 4]], attributes: { shape: ['batch', 'seq', 2, 2] } },
  ],
};

export const reshapeRows = { reshape: reshapeRow };

export const reshape = (x: Tensor, shape: Shape): Tensor =>
  sameShape(x.shape, shape) ? x : apply(reshapeRow, [x], { shape });
