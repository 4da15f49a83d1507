/** The protobuf wire forms that ONNX files need (https://protobuf.dev/programming-guides/encoding). */
const text = new TextEncoder();

/** Nested messages are finished before they are added. What is large is copied once, when all is known. */
export class Message {
  readonly #parts: (Uint8Array | Message)[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** A number (varint), text, bytes or a nested message under a field number. */
  add(field: number, value: number | string | Uint8Array | Message): this {
    if (typeof value === 'number') return this.#push(varint(field << 3), varint(value));
    const content = typeof value === 'string' ? text.encode(value) : value;
    return this.#push(varint((field << 3) | 2), varint(content.length), content);
  }

  addFloat(field: number, value: number): this {
    return this.#push(varint((field << 3) | 5), new Uint8Array(Float32Array.of(value).buffer));
  }

  addAll(field: number, values: readonly (number | string | Message)[]): this {
    for (const value of values) this.add(field, value);
    return this;
  }

  bytes(): Uint8Array {
    const result = new Uint8Array(this.#length);
    this.#writeTo(result, 0);
    return result;
  }

  #writeTo(target: Uint8Array, start: number): void {
    let at = start;
    for (const part of this.#parts) {
      if (part instanceof Message) part.#writeTo(target, at);
      else target.set(part, at);
      at += part.length;
    }
  }

  #push(...parts: (Uint8Array | Message)[]): this {
    this.#parts.push(...parts);
    for (const { length } of parts) this.#length += length;
    return this;
  }
}

/** Base-128 digits, low first; negative numbers are 64-bit two's complement. */
function varint(value: number): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}
