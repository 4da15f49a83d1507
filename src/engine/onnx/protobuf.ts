/** The protobuf wire forms that ONNX files need (https://protobuf.dev/programming-guides/encoding). */
const text = new TextEncoder();

export class Message {
  readonly #chunks: Uint8Array[] = [];

  /** A number (varint), text, bytes or a nested message under a field number. */
  add(field: number, value: number | string | Uint8Array | Message): this {
    if (typeof value === 'number') return this.#push(varint(field << 3), varint(value));
    const bytes = typeof value === 'string' ? text.encode(value) : value instanceof Message ? value.bytes() : value;
    return this.#push(varint((field << 3) | 2), varint(bytes.length), bytes);
  }

  addFloat(field: number, value: number): this {
    return this.#push(varint((field << 3) | 5), new Uint8Array(Float32Array.of(value).buffer));
  }

  addAll(field: number, values: readonly (number | string | Message)[]): this {
    for (const value of values) this.add(field, value);
    return this;
  }

  bytes(): Uint8Array {
    const result = new Uint8Array(this.#chunks.reduce((total, chunk) => total + chunk.length, 0));
    let at = 0;
    for (const chunk of this.#chunks) {
      result.set(chunk, at);
      at += chunk.length;
    }
    return result;
  }

  #push(...chunks: Uint8Array[]): this {
    this.#chunks.push(...chunks);
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
