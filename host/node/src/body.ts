// Reader for message bodies. Lengths and terminators sent by the peer are always checked.

/** Error for bytes that violate the protocol. It ends the connection that they came on. */
export class Malformed extends Error {}

/** Message body, read from start to end. */
export class Body {
  readonly #bytes: Buffer;
  readonly #what: string;
  #at = 0;

  /** Creates a reader; `what` names the message in errors. */
  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#advance(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#advance(4));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#advance(4));
  }

  /** Reads `length` bytes. */
  take(length: number): Buffer {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, this.#at);
  }

  /** Skips `length` bytes. */
  skip(length: number): void {
    this.#advance(length);
  }

  /** Reads bytes up to a zero byte, and skips that. */
  cstring(): Buffer {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw this.malformed("holds a text without its terminator");
    const text = this.#bytes.subarray(this.#at, end);
    this.#at = end + 1;
    return text;
  }

  /** Reads all remaining bytes. */
  rest(): Buffer {
    return this.take(this.#bytes.length - this.#at);
  }

  /** Checks that no bytes are left. */
  end(): void {
    if (!this.isAtEnd) throw this.malformed("goes on after its contents");
  }

  /** Advances by `length` bytes and returns the previous position. */
  #advance(length: number): number {
    const start = this.#at;
    const end = start + length;
    if (length < 0 || end > this.#bytes.length) throw this.malformed("ends before its contents");
    this.#at = end;
    return start;
  }

  /** Returns the error for contents that violate the protocol. */
  malformed(why: string): Malformed {
    return new Malformed(`the server's ${this.#what} ${why}`);
  }
}
