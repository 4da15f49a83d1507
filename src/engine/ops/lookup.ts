/** Reading rows by number, and the reverse. */
import { apply, constant, type Operation, product, type Shape, sizeOf, type Tensor } from '../graph/index.ts';
import { equal, where } from './elementwise.ts';
import { reshape } from './reshape.ts';

/** table [rows, ...row], ids [...] → [...ids, ...row] */
const gatherRow: Operation = {
  name: 'gather',
  type: ([table, ids]) => ({ dtype: table!.dtype, shape: [...ids!.shape, ...table!.shape.slice(1)] }),
  gradient: (dy, [table, ids]) => [apply(scatterRow, [dy, ids!], { shape: table!.shape })],
  onnx: 'Gather',
  reference: ([table, ids]) => {
    const width = sizeOf(table!.shape.slice(1));
    const rows = [...ids!.data].map((id) => [...table!.data.subarray(id * width, (id + 1) * width)]);
    return [Float64Array.from(rows.flat())];
  },
  samples: [{ inputs: [[5, 3], { shape: ['batch', 'seq'], below: 5, dtype: 'int32' }] }],
};

/** The reverse of gather: adds every row to its place in a table of zeros. */
const scatterRow: Operation<{ shape: Shape }> = {
  name: 'scatter',
  type: (_, { shape }) => ({ dtype: 'float32', shape }),
  gradient: (dy, [, ids]) => [gather(dy, ids!)],
  // Not ScatterND: on two threads ONNX Runtime 1.30 loses sums when an index comes twice (docs/log.md).
  onnx: (emit, [rows, ids], { attributes: { shape }, inputs }) => {
    const width = shape.slice(1);
    const table = emit.node('ConstantOfShape', [emit.shape(shape)]);
    const numbers = emit.target === 'cpu' ? emit.cast(ids!, 'int64') : ids!; // WebGPU moves no int64
    const list = emit.node('Reshape', [numbers, emit.ints([-1, ...width.map(() => 1)])]);
    const places = emit.node('Expand', [...list, emit.shape([1, ...width])]); // [ids, ...row]
    const flat = emit.node('Reshape', [rows!, emit.shape([product(inputs[1]!.shape), ...width])]);
    return emit.node('ScatterElements', [...table, ...places, ...flat], { axis: 0, reduction: 'add' });
  },
  reference: ([rows, ids], _, [out]) => {
    const table = new Float64Array(sizeOf(out!.shape));
    const width = sizeOf(out!.shape.slice(1));
    rows!.data.forEach((value, i) => {
      table[ids!.data[Math.floor(i / width)]! * width + (i % width)]! += value;
    });
    return [table];
  },
  samples: [
    {
      inputs: [['batch', 'seq', 3], { shape: ['batch', 'seq'], below: 5, dtype: 'int32' }],
      attributes: { shape: [5, 3] },
    },
  ],
};

/** x [..., width], index [...] → the chosen value of each row, [..., 1] */
const pickRow: Operation = {
  name: 'pick',
  type: ([x]) => ({ dtype: x!.dtype, shape: [...x!.shape.slice(0, -1), 1] }),
  gradient: (dy, [x, index]) => {
    const places = constant([...Array(x!.shape.at(-1) as number).keys()], 'int32'); // [width]
    return [where(equal(places, reshape(index!, [...index!.shape, 1])), dy, 0)];
  },
  onnx: (emit, [x, index], { inputs }) => {
    const column = emit.node('Unsqueeze', [index!, emit.ints([inputs[1]!.shape.length])]); // [..., 1]
    return emit.node('GatherElements', [x!, ...column], { axis: -1 });
  },
  reference: ([x, index]) => [index!.data.map((at, row) => x!.data[row * x!.shape.at(-1)! + at]!)],
  samples: [{ inputs: [['batch', 'seq', 4], { shape: ['batch', 'seq'], below: 4, dtype: 'int32' }] }],
};

export const lookupRows = { gather: gatherRow, scatter: scatterRow, pick: pickRow };

/** What a gradient was scattered from, where it is nothing but rows added to a table of zeros. */
export function scatteredRows({ node }: Tensor): { rows: Tensor; ids: Tensor } | undefined {
  if (node?.operation !== scatterRow) return undefined;
  const [rows, ids] = node.inputs as [Tensor, Tensor];
  return { rows, ids };
}

/** table [rows, ...row], ids [...] → [...ids, ...row] */
export function gather(table: Tensor, ids: Tensor): Tensor {
  const { node } = table;
  return node?.operation.asRows?.(node, (part) => gather(part, ids)) ?? apply<void>(gatherRow, [table, ids], undefined);
}
export const pick = (x: Tensor, index: Tensor): Tensor => apply<void>(pickRow, [x, index], undefined);
