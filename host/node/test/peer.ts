// A server of a test's own that does what it likes once a client has started a session.

import { createServer, type Server, type Socket } from "node:net";
import { message, number } from "./bytes.js";
import { until } from "./process.js";

const SSL_REQUEST = 80_877_103;
const CANCEL_REQUEST = 80_877_102;

/** A server that calls a function with each connection, and with the client's bytes behind its startup packet. */
export class Peer {
  readonly port: number;
  /** Requests to cancel a statement. */
  cancelRequests = 0;
  /** Connections that were ever opened. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as { port: number }).port;
  }

  /** Starts a server. `behave` gets a connection, and all of the client's further bytes as `data` events. */
  static async start(behave: (socket: Socket) => void): Promise<Peer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const peer = new Peer(server);
    server.on("connection", (socket) => peer.#greet(socket, behave));
    return peer;
  }

  url(parameters = "", database = "shop"): string {
    return `postgres://ann:hunter2@127.0.0.1:${this.port}/${database}?${parameters}`;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Reads again what connections have that were paused. */
  resume(): void {
    for (const socket of this.#sockets) socket.resume();
  }

  /** Waits until no connection is open, and returns how long that took, milliseconds. */
  async left(): Promise<number> {
    const started = performance.now();
    await until("every connection is closed", () => this.open === 0);
    return performance.now() - started;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #greet(socket: Socket, behave: (socket: Socket) => void): void {
    this.connections++;
    this.#sockets.add(socket);
    socket.on("error", () => {}).on("close", () => this.#sockets.delete(socket));
    const greet = (chunk: Buffer) => {
      const request = chunk.readInt32BE(4);
      if (request === SSL_REQUEST) {
        socket.write("N");
        return;
      }
      socket.off("data", greet);
      if (request !== CANCEL_REQUEST) behave(socket);
      // A request to cancel is never answered.
      else this.cancelRequests++;
    };
    socket.on("data", greet);
  }
}

/** Writes bytes again and again, as long as somebody reads them. */
export function flood(socket: Socket, bytes: Buffer): void {
  const chunk = Buffer.concat(Array<Buffer>(Math.max(1, Math.ceil(65_536 / bytes.length))).fill(bytes));
  const write = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on("drain", write);
  write();
}

/** A RowDescription of columns with these types. */
export function rowDescription(...types: number[]): Buffer {
  const columns = types.map((type, index) =>
    Buffer.concat([Buffer.from(`c${index}\0`), Buffer.alloc(6), number(type), Buffer.alloc(8)]),
  );
  return message("T", Buffer.concat([short(types.length), ...columns]));
}

/** A DataRow. */
export function dataRow(...values: (Buffer | null)[]): Buffer {
  const fields = values.map((value) => (value ? Buffer.concat([number(value.length), value]) : number(-1)));
  return message("D", Buffer.concat([short(values.length), ...fields]));
}

/** A CommandComplete and a ReadyForQuery. */
export const COMPLETE = Buffer.concat([message("C", Buffer.from("SELECT 1\0")), message("Z", Buffer.from("I"))]);

/** A BackendKeyData. */
export const KEY = message("K", Buffer.from([0, 0, 0, 1, 0, 0, 0, 2]));

function short(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}
