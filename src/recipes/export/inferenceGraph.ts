/** A model for inference as one ONNX file: weights inside, standard operators, the inputs that Hugging Face names. */
import { constant, type Data, input, leaves, type Tensor } from '../../engine/graph/index.ts';
import { toOnnx } from '../../engine/onnx/index.ts';
import { slice, toInt32 } from '../../engine/ops/index.ts';
import { AttuneError } from '../../errors/index.ts';
import { type Batch, buildProgram } from '../../models/nn/index.ts';
import { classify } from '../../tasks/index.ts';
import { int8Form } from './int8.ts';
import type { PlainModel } from './plainModel.node.ts';

export const precisions = ['fp32', 'int8'] as const;
export type Precision = (typeof precisions)[number];
type Model = Pick<PlainModel, 'source' | 'labels' | 'tensors'>;

/** input_ids, attention_mask, token_type_ids int64 [batch, sequence] → logits float32 [batch, labels] */
export function inferenceGraph({ source, labels, tensors }: Model, precision: Precision): Uint8Array {
  const { description } = source;
  const weights = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const int8 = precision === 'int8' ? int8Form(weights) : undefined;
  const program = buildProgram(classify(description, { numLabels: labels.length }), {
    batch: longBatch(description.config.max_position_embeddings),
    methods: int8 ? [int8.method] : [],
  });
  const { logits } = program.outputs;
  return weighted({ logits }, { tensors, values: int8?.values, precision });
}

interface Inside extends Pick<PlainModel, 'tensors'> {
  /** Of weights in another form. */
  readonly values: ReadonlyMap<string, Data> | undefined;
  readonly precision: Precision;
}

/** A graph with the weights that it reads inside. */
export function weighted(
  outputs: Readonly<Record<string, Tensor>>,
  { tensors, values, precision }: Inside,
): Uint8Array {
  const initializers = new Map<string, Data>(tensors.map(({ name, data }) => [name, data]));
  for (const [name, data] of values ?? []) initializers.set(name, data);
  const inside = leaves(Object.values(outputs)).map(({ name = '' }) => initializers.get(name)?.byteLength ?? 0);
  refuseTooLarge(
    inside.reduce((a, b) => a + b),
    precision,
  );
  return toOnnx(outputs, { target: 'portable', initializers }).bytes;
}

/** What transformers.js feeds. Positions count from 0 and are made inside. */
function longBatch(positions: number): Batch {
  const perToken = (name: string): Tensor => toInt32(input(name, 'int64', ['batch', 'sequence']));
  const places = constant([...new Array(positions).keys()], 'int32');
  return {
    inputIds: perToken('input_ids'),
    positionIds: slice(places, 0, { start: 0, length: 'sequence' }), // [T], the same for all rows
    attentionMask: perToken('attention_mask'),
    tokenTypeIds: perToken('token_type_ids'),
    labels: input('labels', 'int32', ['batch']),
  };
}

/** Protobuf ends at 2 GiB, and the file holds a little more than weights. */
const LARGEST_FILE = 2e9;

function refuseTooLarge(bytes: number, precision: Precision): void {
  if (bytes <= LARGEST_FILE) return;
  throw new AttuneError({
    code: 'EXPORT_UNSUPPORTED',
    where: `--to onnx --dtype ${precision}`,
    problem: `the weights take ${(bytes / 1e9).toFixed(1)} GB, and one ONNX file holds at most 2 GB`,
    fix: precision === 'fp32' ? 'use --dtype int8, or --to hf' : 'use --to hf',
  });
}
