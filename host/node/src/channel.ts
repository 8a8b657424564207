// Messages over a socket: read one at a time during login, passed to a listener afterwards. All bytes are counted.

import type { Socket } from "node:net";
import { Malformed } from "./body.js";
import { asFault, Fault } from "./fault.js";
import type { Limits } from "./limits.js";
import { Framing, type Message, MOST_ERROR, MOST_ERROR_BEFORE } from "./wire.js";

/** Message types that a server may send before a session is ready, and in one. */
const BEFORE = "RSKNEvZ";
const WITHIN = "123ACDEINSTZnst";

/** Size added to each message, so that many tiny messages also reach the limit. */
const MESSAGE_BYTES = 64;

/** Limits on the data that a server may send. */
export type ReadLimits = Pick<Limits, "startBytes" | "protocolMessageBytes" | "statementBytes">;

/** Message channel to a server over one socket. */
export class Channel {
  readonly socket: Socket;
  readonly #limits: ReadLimits;
  readonly #framing = new Framing((code, length) => this.#admit(code, length));
  readonly #queue: Message[] = [];
  #listener: ((message: Message) => void) | undefined;
  #waiter: { resolve(message: Message): void; reject(why: Error): void } | undefined;
  /** True after the first ReadyForQuery. */
  #isReady = false;
  #isIgnoring = false;
  #bytes = 0;
  #error: Error | undefined;

  constructor(socket: Socket, limits: ReadLimits) {
    this.socket = socket;
    this.#limits = limits;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", (error) => this.#end(error));
    socket.once("close", () => this.#end(new Error("the server closed the connection")));
  }

  /** Sends bytes. */
  send(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  /** Returns the next message. Fails when the connection ends before it. */
  next(): Promise<Message> {
    const message = this.#queue.shift();
    if (message) return Promise.resolve(message);
    if (this.#error) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  /** Passes every message to the listener from now on. */
  listen(listener: (message: Message) => void): void {
    this.#listener = listener;
    this.#guarded(() => {
      for (const message of this.#queue.splice(0)) listener(message);
    });
  }

  /** Resets the count for `statementBytes`. */
  countAnew(): void {
    this.#bytes = 0;
  }

  /** Discards all further data unread. */
  ignore(): void {
    this.#isIgnoring = true;
  }

  #read(chunk: Buffer): void {
    this.#guarded(() => {
      if (this.#isIgnoring) return;
      for (const message of this.#framing.push(chunk)) this.#receive(message);
    });
  }

  /** Runs a step; an error in it ends only this connection. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.socket.destroy(this.#isReady ? violation(error) : (error as Error));
    }
  }

  /** Checks a message's type and declared length. Throws for one that is not acceptable. */
  #admit(code: string, length: number): void {
    const { startBytes, protocolMessageBytes, statementBytes } = this.#limits;
    if (!(this.#isReady ? WITHIN : BEFORE).includes(code)) throw unexpected(code, this.#isReady);
    if (length > protocolMessageBytes)
      throw Fault.limit(
        `the server sent a message of more than ${protocolMessageBytes} bytes: limit \`protocolMessageBytes\``,
      );
    if (code === "E" || code === "N") requireShort(length, this.#isReady ? MOST_ERROR : MOST_ERROR_BEFORE);
    this.#bytes += length + MESSAGE_BYTES;
    if (this.#isReady) {
      if (this.#bytes > statementBytes) throw statementTooLong(statementBytes);
    } else if (this.#bytes > startBytes) {
      const message = `the server sent more than ${startBytes} bytes before the session was ready`;
      throw Fault.limit(`${message}: limit \`startBytes\``);
    } else if (code === "Z") {
      this.#isReady = true;
      this.#bytes = 0;
    }
  }

  #receive(message: Message): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (this.#listener) this.#listener(message);
    else if (waiter) waiter.resolve(message);
    else this.#queue.push(message);
  }

  #end(why: Error): void {
    this.#error ??= why;
    this.#waiter?.reject(this.#error);
    this.#waiter = undefined;
  }
}

/** Refuses an oversized error or notice: its fields are parsed in one pass. */
function requireShort(length: number, most: number): void {
  if (length > most) throw new Malformed(`an error or a notice of more than ${most} bytes came`);
}

function unexpected(code: string, isReady: boolean): Malformed {
  const letter = /^[A-Za-z0-9]$/.test(code) ? `'${code}'` : `of type ${code.charCodeAt(0)}`;
  return new Malformed(`a message ${letter} came ${isReady ? "in a session" : "before the session"}`);
}

/** Returns the fault of an answer that exceeds `statementBytes`. */
export function statementTooLong(bytes: number): Fault {
  return Fault.limit(`the server sent more than ${bytes} bytes for one statement: limit \`statementBytes\``);
}

/** Returns the fault of a server that violates the protocol in a session. */
function violation(error: unknown): Fault {
  if (!(error instanceof Malformed)) return asFault(error);
  return new Fault(
    "unexpected-answer",
    `the session was ended, because the server broke the protocol: ${error.message}`,
  );
}
