/** Scores over a vocabulary, a part of it at a time: all of them for all tokens would take more memory than the model. */
// N rows · D width · V entries
import { apply, type Emitter, type Operation, sizeOf, type Tensor } from '../../graph/index.ts';
import { add, exp, mul, sub, tanh } from '../elementwise.ts';
import { linear, linearReference, matmul } from '../matmul.ts';
import { softmaxNormaliser } from '../normalise.ts';
import { concat, slice } from '../shape.ts';
import { after } from './order.ts';

export interface VocabularyAttributes {
  /** Entries that are looked at together. */
  readonly part: number;
  /** What scores approach but do not exceed. */
  readonly softcap?: number | undefined;
  /** Whether the matrix's gradient is wanted: then it is made beside that of x, for it reads the same scores. */
  readonly trained: boolean;
}

function partsOf({ part }: VocabularyAttributes, entries: number): { start: number; length: number }[] {
  const size = Math.ceil(entries / Math.ceil(entries / part));
  const starts = Array.from({ length: Math.ceil(entries / size) }, (_, i) => i * size);
  return starts.map((start) => ({ start, length: Math.min(size, entries - start) }));
}

/** log Σ exp x·wᵀ over the entries, for x [N, D] and w [V, D]: [N, 1] */
const vocabularyNormaliserRow: Operation<VocabularyAttributes> = {
  name: 'vocabularyNormaliser',
  costly: true,
  type: ([x]) => ({ dtype: 'float32', shape: [x!.shape[0]!, 1] }),
  // Each part's scores are computed again, used for both gradients, and gone before the next part's are there.
  gradient: (dy, [x, w], [normaliser], attributes) => {
    let before = dy;
    let dx: Tensor | undefined;
    const dw = partsOf(attributes, w!.shape[0] as number).map((piece) => {
      const weight = slice(w!, 0, piece);
      const g = mul(scoreGradient(linear(after(x!, before), weight), normaliser!, attributes), dy); // [N, part]
      const [toX, toWeight] = [matmul(g, weight), matmul(g, x!, { transA: true })];
      dx = dx ? add(dx, toX) : toX;
      before = attributes.trained ? after(dx, toWeight) : dx;
      return toWeight;
    });
    return [dx, concat(dw, 0)];
  },
  onnx: (emit, [x, w], { inputs, attributes }) => {
    const parts = partsOf(attributes, inputs[1]!.shape[0] as number).map(({ start, length }) => {
      const weight = emit.node('Slice', [w!, emit.ints([start]), emit.ints([start + length]), emit.ints([0])]);
      const scores = emit.node('Gemm', [x!, ...weight], { transB: 1 })[0]!;
      return softmaxNormaliser(emit, capped(emit, scores, attributes));
    });
    return parts.length === 1 ? [parts[0]!] : [softmaxNormaliser(emit, emit.node('Concat', parts, { axis: 1 })[0]!)];
  },
  reference: ([x, w], { softcap }) => {
    const [outs, ins] = w!.shape as [number, number];
    const scores = linearReference(x!.data, { ins, outs, weight: (o, i) => w!.data[o * ins + i]! });
    const cap = (score: number): number => (softcap ? softcap * Math.tanh(score / softcap) : score);
    const rows = Array.from({ length: sizeOf(x!.shape) / ins }, (_, row) =>
      scores.subarray(row * outs, (row + 1) * outs),
    );
    return [Float64Array.from(rows, (row) => Math.log(row.reduce((sum, score) => sum + Math.exp(cap(score)), 0)))];
  },
  samples: [
    {
      inputs: [
        ['batch', 4],
        [7, 4],
      ],
      attributes: { part: 3, trained: true },
    },
    {
      inputs: [
        ['batch', 4],
        [5, 4],
      ],
      attributes: { part: 2, softcap: 1.5, trained: false },
    },
    {
      inputs: [
        ['batch', 4],
        [3, 4],
      ],
      attributes: { part: 8, trained: true },
    },
  ],
};

/** e^(score − normaliser), times the slope of the cap. */
function scoreGradient(scores: Tensor, normaliser: Tensor, { softcap }: VocabularyAttributes): Tensor {
  if (softcap === undefined) return exp(sub(scores, normaliser));
  const bent = tanh(mul(scores, 1 / softcap));
  return mul(exp(sub(mul(bent, softcap), normaliser)), sub(1, mul(bent, bent)));
}

function capped(emit: Emitter, scores: string, { softcap }: VocabularyAttributes): string {
  if (softcap === undefined) return scores;
  const number = (value: number): string => emit.scalar(value, 'float32');
  const bent = emit.node('Tanh', emit.node('Mul', [scores, number(1 / softcap)]));
  return emit.node('Mul', [...bent, number(softcap)])[0]!;
}

export const vocabularyRows = { vocabularyNormaliser: vocabularyNormaliserRow };

export const vocabularyNormaliser = (x: Tensor, weight: Tensor, attributes: VocabularyAttributes): Tensor =>
  apply(vocabularyNormaliserRow, [x, weight], attributes);
