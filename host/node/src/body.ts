// Reads the body of a message. No length and no terminator that a peer sent is taken on trust.

/** Thrown for bytes that do not follow the protocol. They end the connection that they came on. */
export class Malformed extends Error {}

/** A message's body, read from its first byte to its last. */
export class Body {
  readonly #bytes: Buffer;
  readonly #what: string;
  #at = 0;

  /** `what` names the message in errors. */
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

  /** So many bytes. */
  take(length: number): Buffer {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, this.#at);
  }

  /** Passes over so many bytes. */
  skip(length: number): void {
    this.#advance(length);
  }

  /** Bytes up to a zero byte, which is passed over. */
  cstring(): Buffer {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw this.malformed("holds a text without its terminator");
    const text = this.#bytes.subarray(this.#at, end);
    this.#at = end + 1;
    return text;
  }

  /** All bytes that are left. */
  rest(): Buffer {
    return this.take(this.#bytes.length - this.#at);
  }

  /** Verifies that nothing is left. */
  end(): void {
    if (!this.isAtEnd) throw this.malformed("goes on after its contents");
  }

  /** Passes over so many bytes, and returns where they begin. */
  #advance(length: number): number {
    const start = this.#at;
    const end = start + length;
    if (length < 0 || end > this.#bytes.length) throw this.malformed("ends before its contents");
    this.#at = end;
    return start;
  }

  /** The error of a message whose contents contradict the protocol. */
  malformed(why: string): Malformed {
    return new Malformed(`the server's ${this.#what} ${why}`);
  }
}
