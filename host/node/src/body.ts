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
    return this.take(1).readUInt8();
  }

  int16(): number {
    return this.take(2).readInt16BE();
  }

  int32(): number {
    return this.take(4).readInt32BE();
  }

  uint32(): number {
    return this.take(4).readUInt32BE();
  }

  /** So many bytes. */
  take(length: number): Buffer {
    const end = this.#at + length;
    if (length < 0 || end > this.#bytes.length) throw this.malformed("ends before its contents");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
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

  /** The error of a message whose contents contradict the protocol. */
  malformed(why: string): Malformed {
    return new Malformed(`the server's ${this.#what} ${why}`);
  }
}
