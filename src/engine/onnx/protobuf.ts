/** The protobuf wire forms that ONNX files need (https://protobuf.dev/programming-guides/encoding). */
const text = new TextEncoder();

const FIRST_ROOM = 64;
/** Bytes of this length and more are not copied before all is known. */
const LARGE = 4096;

/** Nested messages are finished before they are added. */
export class Message {
  /** What is written so far, in pieces; the last one has room for more. */
  readonly #pieces: Uint8Array[] = [];
  #open = new Uint8Array(0);
  #used = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** A number (varint), text, bytes or a nested message under a field number. */
  add(field: number, value: number | string | Uint8Array | Message): this {
    if (typeof value === 'number') return this.#varint(field << 3).#varint(value);
    const content = typeof value === 'string' ? text.encode(value) : value;
    this.#varint((field << 3) | 2).#varint(content.length);
    for (const piece of content instanceof Message ? content.#all() : [content]) this.#append(piece);
    return this;
  }

  addFloat(field: number, value: number): this {
    return this.#varint((field << 3) | 5).#append(new Uint8Array(Float32Array.of(value).buffer));
  }

  addAll(field: number, values: readonly (number | string | Message)[]): this {
    for (const value of values) this.add(field, value);
    return this;
  }

  bytes(): Uint8Array {
    const result = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#all()) {
      result.set(piece, at);
      at += piece.length;
    }
    return result;
  }

  #all(): Uint8Array[] {
    return [...this.#pieces, this.#open.subarray(0, this.#used)];
  }

  #append(bytes: Uint8Array): this {
    if (bytes.length >= LARGE) {
      this.#pieces.push(this.#open.subarray(0, this.#used), bytes);
      this.#open = new Uint8Array(0);
      this.#used = 0;
    } else {
      this.#makeRoom(bytes.length);
      this.#open.set(bytes, this.#used);
      this.#used += bytes.length;
    }
    this.#length += bytes.length;
    return this;
  }

  #makeRoom(count: number): void {
    if (this.#used + count <= this.#open.length) return;
    const larger = new Uint8Array(Math.max(FIRST_ROOM, 2 * this.#open.length, this.#used + count));
    larger.set(this.#open.subarray(0, this.#used));
    this.#open = larger;
  }

  /** Base-128 digits, low first; negative numbers are 64-bit two's complement. */
  #varint(value: number): this {
    let rest = value < 0 ? BigInt.asUintN(64, BigInt(value)) : value;
    for (; rest > 127; rest = shifted(rest)) this.#byte(lowest(rest) | 128);
    return this.#byte(lowest(rest));
  }

  #byte(value: number): this {
    this.#makeRoom(1);
    this.#open[this.#used++] = value;
    this.#length += 1;
    return this;
  }
}

const lowest = (value: number | bigint): number => (typeof value === 'bigint' ? Number(value & 127n) : value % 128);
const shifted = (value: number | bigint): number | bigint =>
  typeof value === 'bigint' ? value >> 7n : Math.floor(value / 128);
