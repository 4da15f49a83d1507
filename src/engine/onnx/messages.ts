/** The messages of onnx.proto3 that a graph uses; numbers are the field numbers of that file. */
import type { Attribute, Data, DType, Shape } from '../graph/index.ts';
import { Message } from './protobuf.ts';

/** TensorProto.DataType */
export const onnxType: Readonly<Record<DType, number>> = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9 };
/** Two numbers a byte, the first in the lower half. No array in JavaScript holds such: only bytes that stand for them do. */
export const UINT4 = 21;

export interface WrittenNode {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly domain: string;
}

export function nodeMessage({ type, inputs, outputs, attributes, domain }: WrittenNode): Message {
  const written = Object.entries(attributes).map(([name, value]) => attributeMessage(name, value));
  const name = outputs.find(Boolean)!;
  return new Message().addAll(1, inputs).addAll(2, outputs).add(3, name).add(4, type).addAll(5, written).add(7, domain);
}

function attributeMessage(name: string, value: Attribute): Message {
  const message = new Message().add(1, name);
  if (typeof value === 'number') return message.add(3, value).add(20, 2);
  if (typeof value === 'string') return message.add(4, value).add(20, 3);
  if ('float' in value) return message.addFloat(2, value.float).add(20, 1);
  return message.addAll(8, value).add(20, 7);
}

/** Without a shape it may have any. */
export function valueMessage(name: string, { dtype, shape }: { dtype: DType; shape?: Shape | undefined }): Message {
  const dims = shape?.map((dim) => (typeof dim === 'number' ? new Message().add(1, dim) : new Message().add(2, dim)));
  const tensorType = new Message().add(1, onnxType[dtype]);
  if (dims) tensorType.add(2, new Message().addAll(1, dims));
  return new Message().add(1, name).add(2, new Message().add(1, tensorType));
}

/** A tensor of a model, in ONNX's own type. */
export interface StoredTensor {
  readonly name: string;
  readonly type: number;
  readonly shape: readonly number[];
  readonly data: Data;
}

const headOf = ({ name, type, shape }: StoredTensor): Message =>
  new Message().addAll(1, shape).add(2, type).add(8, name);

export function tensorMessage(tensor: StoredTensor): Message {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return headOf(tensor).add(9, new Uint8Array(buffer, byteOffset, byteLength));
}

/** TensorProto.DataLocation */
const EXTERNAL = 1;

/** A tensor whose values are handed over beside the model. */
export function outsideMessage(tensor: StoredTensor): Message {
  const entry = (key: string, value: string): Message => new Message().add(1, key).add(2, value);
  const place = [entry('location', 'memory'), entry('offset', '0'), entry('length', `${tensor.data.byteLength}`)];
  return headOf(tensor).addAll(13, place).add(14, EXTERNAL);
}

/** ModelProto: IR version 10, opset 21 (ONNX Runtime's kernels for later ones have gaps). */
export function modelMessage(graph: Message): Message {
  const opset = (domain: string, version: number): Message => new Message().add(1, domain).add(2, version);
  const model = new Message().add(1, 10).add(2, 'attune').add(7, graph);
  return model.add(8, opset('', 21)).add(8, opset('com.microsoft', 1));
}
