// Messages over a socket: one at a time while logging in, as they come afterwards.

import type { Socket } from "node:net";
import { Framing, type Message } from "./wire.js";

/** No server has more to say before a session is open. */
const LOGIN_BYTES = 1_048_576;

/** Messages of a server over one socket. */
export class Channel {
  readonly socket: Socket;
  readonly #framing = new Framing();
  readonly #queue: Message[] = [];
  #listener: ((message: Message) => void) | undefined;
  #waiter: { resolve(message: Message): void; reject(why: Error): void } | undefined;
  #bytes = 0;
  #error: Error | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
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
    for (const message of this.#queue.splice(0)) listener(message);
  }

  #read(chunk: Buffer): void {
    try {
      this.#bytes += chunk.length;
      for (const message of this.#framing.push(chunk)) this.#receive(message);
      if (!this.#listener) this.#checkLogin();
    } catch (error) {
      // Whatever a peer sends ends its own connection and nothing else.
      this.socket.destroy(error as Error);
    }
  }

  #checkLogin(): void {
    if (Math.max(this.#bytes, this.#framing.wanted) <= LOGIN_BYTES) return;
    throw new Error(`the server says more than ${LOGIN_BYTES} bytes before a session: it is no PostgreSQL server`);
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
