// A server of a test's own: it says what its script says, and keeps what clients say.

import { createServer, type Server, type Socket } from "node:net";
import { errorResponse, message, number } from "./bytes.js";

/** Answers of a server: the first to a startup packet, each further one to a message of the client. */
export type Script = readonly Buffer[];

const SSL_REQUEST = 80_877_103;

/** A server that answers each startup packet with the next bytes of its script for every message it gets. */
export class ScriptedServer {
  readonly port: number;
  /** Startup parameters and further messages of clients, as they were sent. */
  readonly startups: Record<string, string>[] = [];
  readonly messages: Buffer[] = [];
  /** Requests for TLS. */
  tlsRequests = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** Starts a server with a script for a client's startup parameters, and an answer to requests for TLS. */
  static async start(
    script: (startup: Record<string, string>) => Script,
    toTls: Buffer = Buffer.from("N"),
  ): Promise<ScriptedServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const scripted = new ScriptedServer(server, (server.address() as { port: number }).port);
    server.on("connection", (socket) => scripted.#serve(socket, script, toTls));
    return scripted;
  }

  /** A URL that leads to it. */
  url(parameters = "", login = "ann:hunter2"): string {
    return `postgres://${login}@127.0.0.1:${this.port}/shop?${parameters}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket, script: (startup: Record<string, string>) => Script, toTls: Buffer): void {
    this.#sockets.add(socket);
    let rest: Buffer[] | undefined;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      if (rest !== undefined) this.messages.push(chunk);
      else if (chunk.readInt32BE(4) === SSL_REQUEST) {
        this.tlsRequests++;
        socket.write(toTls);
        return;
      } else {
        const startup = parameters(chunk);
        this.startups.push(startup);
        rest = [...script(startup)];
      }
      const answer = rest.shift();
      if (answer) socket.write(answer);
      if (rest.length === 0 && answer?.includes("FATAL")) socket.end();
    });
  }
}

function parameters(packet: Buffer): Record<string, string> {
  const words = packet.subarray(8).toString().split("\0");
  const found: Record<string, string> = {};
  for (let index = 0; index + 1 < words.length && words[index]; index += 2) {
    found[words[index] as string] = words[index + 1] as string;
  }
  return found;
}

/** An AuthenticationRequest. */
export const authentication = (request: number, more: Buffer = Buffer.alloc(0)) =>
  message("R", Buffer.concat([number(request), more]));

/** A session that is ready: no authentication, its parameters, ReadyForQuery. */
export function ready(status: Record<string, string> = {}): Buffer {
  const reported = Object.entries(status).map(([name, value]) => message("S", Buffer.from(`${name}\0${value}\0`)));
  return Buffer.concat([authentication(0), ...reported, message("Z", Buffer.from("I"))]);
}

/** The end of a connection before there is a session. */
export const refusal = (sqlstate: string, text: string) => errorResponse("FATAL", sqlstate, text);
