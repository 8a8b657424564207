// Messages over a socket: one at a time while logging in, as they come afterwards. All bytes are counted.

import type { Socket } from "node:net";
import { Malformed } from "./body.js";
import { asFault, Fault } from "./fault.js";
import type { Limits } from "./limits.js";
import { Framing, type Message, MOST_ERROR, MOST_ERROR_BEFORE } from "./wire.js";

/** Letters of the messages that a server may send before a session, and in one. */
const BEFORE = "RSKNEvZ";
const WITHIN = "123ACDEINSTZnst";

/** Cost of a message beside its bytes, so that a flood of tiny ones ends early. */
const MESSAGE_BYTES = 64;

/** Limits on what a server may send. */
export type Hearing = Pick<Limits, "startBytes" | "protocolMessageBytes" | "statementBytes">;

/** Messages of a server over one socket. */
export class Channel {
  readonly socket: Socket;
  readonly #limits: Hearing;
  readonly #framing = new Framing((code, length) => this.#admit(code, length));
  readonly #queue: Message[] = [];
  #listener: ((message: Message) => void) | undefined;
  #waiter: { resolve(message: Message): void; reject(why: Error): void } | undefined;
  /** True after the first ReadyForQuery. */
  #isReady = false;
  #isIgnoring = false;
  #bytes = 0;
  #error: Error | undefined;

  constructor(socket: Socket, limits: Hearing) {
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

  /** The next message. Fails when the connection ends before it. */
  next(): Promise<Message> {
    const message = this.#queue.shift();
    if (message) return Promise.resolve(message);
    if (this.#error) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  /** Hands every message out as it comes, from now on. */
  listen(listener: (message: Message) => void): void {
    this.#listener = listener;
    this.#guarded(() => {
      for (const message of this.#queue.splice(0)) listener(message);
    });
  }

  /** Begins the count of `statementBytes` anew. */
  countAnew(): void {
    this.#bytes = 0;
  }

  /** Drops whatever comes from now on, unread. */
  ignore(): void {
    this.#isIgnoring = true;
  }

  #read(chunk: Buffer): void {
    this.#guarded(() => {
      if (this.#isIgnoring) return;
      for (const message of this.#framing.push(chunk)) this.#receive(message);
    });
  }

  /** Ends the connection, and nothing else, by whatever error its peer causes. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.socket.destroy(this.#isReady ? violation(error) : (error as Error));
    }
  }

  /** Refuses a message by its letter and its declared length. */
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

/** Refuses an error or a notice that is no text for a person: its fields are looked at in one go. */
function requireShort(length: number, most: number): void {
  if (length > most) throw new Malformed(`an error or a notice of more than ${most} bytes came`);
}

function unexpected(code: string, isReady: boolean): Malformed {
  const letter = /^[A-Za-z0-9]$/.test(code) ? `'${code}'` : `of type ${code.charCodeAt(0)}`;
  return new Malformed(`a message ${letter} came ${isReady ? "in a session" : "before the session"}`);
}

/** The fault of a server whose answer is longer than one may be. */
export function statementTooLong(bytes: number): Fault {
  return Fault.limit(`the server sent more than ${bytes} bytes for one statement: limit \`statementBytes\``);
}

/** The fault of a server that breaks the protocol in a session. */
function violation(error: unknown): Fault {
  if (!(error instanceof Malformed)) return asFault(error);
  return new Fault(
    "unexpected-answer",
    `the session was ended, because the server broke the protocol: ${error.message}`,
  );
}
