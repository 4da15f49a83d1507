/** Scores over a vocabulary, a part of it at a time: all of them for all tokens would take more memory than the model. */
// N rows · D width · V entries
import { apply, type Emitter, type Operation, sizeOf, type Tensor } from '../../graph/index.ts';
import { partsOfByteRows, unpackByteRows, unpackedByteRows } from '../byteRows.ts';
import { exp, mul, sub, tanh } from '../elementwise.ts';
import { bytes, small } from '../int4.ts';
import { linear, linearReference, matmul } from '../matmul.ts';
import { softmaxNormaliser } from '../normalise.ts';
import { concat, slice } from '../shape.ts';
import { after, delayed } from './order.ts';

export interface VocabularyAttributes {
  /** Entries that are looked at together. */
  readonly part: number;
  /** What scores approach but do not exceed. */
  readonly softcap?: number | undefined;
}

function partsOf({ part }: VocabularyAttributes, entries: number): { start: number; length: number }[] {
  const size = Math.ceil(entries / Math.ceil(entries / part));
  const starts = Array.from({ length: Math.ceil(entries / size) }, (_, i) => i * size);
  return starts.map((start) => ({ start, length: Math.min(size, entries - start) }));
}

/**
 * log Σ exp x·wᵀ over the entries, for x [N, D] and w [V, D]: [N, 1]. Also its slope in x, the mean of the rows of w as
 * their probabilities weigh them: [N, D]. Both read the same scores, so that the way back computes none again for x.
 */
const vocabularyNormaliserRow: Operation<VocabularyAttributes> = {
  ...normaliserRow('vocabularyNormaliser'),
  gradient: (dy, [x, w], [normaliser, slope], attributes) => [
    mul(slope!, dy),
    weightGradient(dy, [x!, w!, normaliser!], attributes),
  ],
  samples: [
    {
      inputs: [
        ['batch', 4],
        [7, 4],
      ],
      attributes: { part: 3 },
    },
    {
      inputs: [
        ['batch', 4],
        [5, 4],
      ],
      attributes: { part: 2, softcap: 1.5 },
    },
    {
      inputs: [
        ['batch', 4],
        [3, 4],
      ],
      attributes: { part: 8 },
    },
  ],
};

/** The same for frozen rows of bytes: they are unpacked a part at a time. */
const byteRowsNormaliserRow: Operation<VocabularyAttributes> = {
  ...normaliserRow('byteRowsNormaliser'),
  gradient: (dy, _, [, slope]) => [mul(slope!, dy)],
  samples: [{ inputs: [['batch', 32], bytes(5, 32), small(5, 1)], attributes: { part: 2 } }],
};

function normaliserRow(name: string): Omit<Operation<VocabularyAttributes>, 'gradient' | 'samples'> {
  return {
    name,
    costly: true,
    type: ([x]) => [
      { dtype: 'float32', shape: [x!.shape[0]!, 1] },
      { dtype: 'float32', shape: x!.shape },
    ],
    onnx: (emit, [x, ...w], { inputs, outputs, attributes }) => {
      const columns = inputs[1]!.shape[1] as number;
      const parts = partsOf(attributes, inputs[1]!.shape[0] as number);
      const isSloping = emit.isRead(outputs[1]!);
      let before: string[] = [];
      const found = parts.map(({ start, length }) => {
        const bounds = [emit.ints([start]), emit.ints([start + length]), emit.ints([0])];
        const [own, scales] = w.map((name) => emit.node('Slice', [name, ...bounds])[0]!);
        const weight = scales ? unpackByteRows(emit, { values: own!, scales, columns }) : own!; // [part, D]
        const read = emit.target === 'cpu' ? before.reduce((rows, made) => delayed(emit, rows, made, 2), x!) : x!;
        const scores = emit.node('Gemm', [read, weight], { transB: 1 })[0]!;
        const made = partOf(emit, scores, { weight: isSloping ? weight : undefined, ...attributes });
        // A part's scores are gone before the next part's are there.
        before = made.slope ? [made.normaliser, made.slope] : [made.normaliser];
        return made;
      });
      const normalisers = found.map(({ normaliser }) => normaliser);
      const whole =
        parts.length === 1
          ? normalisers[0]!
          : softmaxNormaliser(emit, emit.node('Concat', normalisers, { axis: 1 })[0]!);
      if (!isSloping) return [whole, whole];
      const slopes = found.map(({ normaliser, slope }) => {
        const share = emit.node('Exp', emit.node('Sub', [normaliser, whole])); // [N, 1]
        return emit.node('Mul', [slope!, ...share])[0]!;
      });
      return [whole, slopes.reduce((a, b) => emit.node('Add', [a, b])[0]!)];
    },
    reference: ([x, w, scales], { softcap }) => {
      const [outs, ins] = w!.shape as [number, number];
      const values = scales ? unpackedByteRows(w!, scales) : w!.data;
      const scores = linearReference(x!.data, { ins, outs, weight: (o, i) => values[o * ins + i]! });
      const cap = (score: number): number => (softcap ? softcap * Math.tanh(score / softcap) : score);
      const rows = Array.from({ length: sizeOf(x!.shape) / ins }, (_, row) =>
        scores.subarray(row * outs, (row + 1) * outs),
      );
      const powers = rows.map((row) => row.map((score) => Math.exp(cap(score))));
      const sums = powers.map((row) => row.reduce((a, b) => a + b, 0));
      const bend = (score: number): number => (softcap ? 1 - (cap(score) / softcap) ** 2 : 1);
      const slope = (row: number, i: number): number =>
        powers[row]!.reduce((sum, power, o) => sum + power * bend(rows[row]![o]!) * values[o * ins + i]!, 0) /
        sums[row]!;
      return [
        Float64Array.from(sums, Math.log),
        Float64Array.from({ length: rows.length * ins }, (_, at) => slope(Math.floor(at / ins), at % ins)),
      ];
    },
  };
}

/** Each part's scores are computed again, and gone before the next part's are there. */
function weightGradient(dy: Tensor, [x, w, normaliser]: [Tensor, Tensor, Tensor], attributes: VocabularyAttributes) {
  let before = dy;
  const dw = partsOf(attributes, w.shape[0] as number).map((piece) => {
    const scores = linear(after(x, before), slice(w, 0, piece));
    before = matmul(mul(scoreGradient(scores, normaliser, attributes), dy), x, { transA: true });
    return before; // [part, D]
  });
  return concat(dw, 0);
}

/** e^(score − normaliser), times the slope of the cap. */
function scoreGradient(scores: Tensor, normaliser: Tensor, { softcap }: VocabularyAttributes): Tensor {
  if (softcap === undefined) return exp(sub(scores, normaliser));
  const bent = tanh(mul(scores, 1 / softcap));
  return mul(exp(sub(mul(bent, softcap), normaliser)), sub(1, mul(bent, bent)));
}

interface Part extends Pick<VocabularyAttributes, 'softcap'> {
  /** Rows of the part, where the slope is wanted. */
  readonly weight: string | undefined;
}

/** log Σ exp of a part's scores, and their slope. The largest share tells the sum: share = exp(largest score)/Σ exp. */
function partOf(emit: Emitter, scores: string, { weight, softcap }: Part) {
  const one = (type: string, ...inputs: string[]): string => emit.node(type, inputs)[0]!;
  const number = (value: number): string => emit.scalar(value, 'float32');
  const largest = (x: string): string => emit.node('ReduceMax', [x, emit.ints([-1])], { keepdims: 1 })[0]!;
  const bent = softcap === undefined ? undefined : one('Tanh', one('Mul', scores, number(1 / softcap)));
  const capped = bent ? one('Mul', bent, number(softcap!)) : scores;
  const shares = emit.node('Softmax', [capped], { axis: -1 })[0]!; // [N, part]
  const normaliser = one('Sub', largest(capped), one('Log', largest(shares))); // [N, 1]
  if (!weight) return { normaliser };
  const bend = bent && one('Sub', number(1), one('Mul', bent, bent));
  return { normaliser, slope: one('MatMul', bend ? one('Mul', shares, bend) : shares, weight) }; // [N, D]
}

export const vocabularyRows = {
  vocabularyNormaliser: vocabularyNormaliserRow,
  byteRowsNormaliser: byteRowsNormaliserRow,
};

export function vocabularyNormaliser(x: Tensor, weight: Tensor, attributes: VocabularyAttributes): Tensor {
  const bytes = partsOfByteRows(weight);
  return bytes
    ? apply(byteRowsNormaliserRow, [x, ...bytes], attributes)
    : apply(vocabularyNormaliserRow, [x, weight], attributes);
}
