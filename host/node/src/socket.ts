// A socket to one host, with or without TLS.

import { connect, type NetConnectOpts, type Socket } from "node:net";
import * as tls from "node:tls";
import { isSocket, type Target } from "./connection-config/target.js";
import { LoginRefused } from "./login-refused.js";
import type { Lookups } from "./lookups.js";
import { decodeUtf8 } from "./text.js";
import { tlsOptions } from "./tls.js";
import { Framing, serverError, sslRequest } from "./wire.js";

const KEEP_ALIVE_MS = 30_000;

/** No error before a session is longer, bytes. */
const LONGEST_ERROR = 8_192;

/** TLS of a socket. `optional`: unless the server says that it has none. */
export type Encryption = "none" | "optional" | "required";

/** Thrown where TLS was wanted and could not be had. */
export class TlsFailure extends Error {
  /** True when the server said that it has none. */
  readonly isUnsupported: boolean;
  /** True when its certificate was verified and not accepted. */
  readonly isUnverified: boolean;

  constructor(message: string, { isUnsupported = false, isUnverified = false } = {}) {
    super(message);
    this.isUnsupported = isUnsupported;
    this.isUnverified = isUnverified;
  }
}

/** Opens a socket to a target's own host. The signal ends the attempt. */
export async function openSocket(
  target: Target,
  encryption: Encryption,
  signal: AbortSignal,
  lookups: Lookups,
): Promise<Socket> {
  // Files are read before anything is opened.
  const options = encryption === "none" ? undefined : tlsOptions(target);
  const socket = connect({ ...addressOf(target), lookup: lookups.until(signal) } as NetConnectOpts);
  socket.setNoDelay(true);
  // An error that nothing waits for shows in the socket's end, too.
  socket.on("error", () => {});
  const giveUp = () => socket.destroy(new Error("given up"));
  signal.addEventListener("abort", giveUp);
  try {
    if (signal.aborted) giveUp();
    await arrival(socket, "connect");
    return options ? await withTls(socket, target, options, encryption) : socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

function addressOf(target: Target): NetConnectOpts {
  const { host, address, port } = target;
  if (isSocket(target)) return { path: `${host}/.s.PGSQL.${port}` };
  return { host: address ?? host, port, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
}

async function withTls(
  socket: Socket,
  target: Target,
  options: tls.ConnectionOptions,
  encryption: Encryption,
): Promise<Socket> {
  if (target.sslNegotiation === "postgres") {
    socket.write(sslRequest());
    const reply = await arrival(socket, "data");
    if (reply.startsWith("E")) throw await refusal(socket, reply);
    if (reply === "N" && encryption === "optional") return socket;
    if (reply === "N") throw new TlsFailure("the server does not support TLS", { isUnsupported: true });
    // Bytes behind the answer are not encrypted and may be anybody's.
    if (reply !== "S") throw new TlsFailure("the server answered the request for TLS with something else");
  }
  const secure = tls.connect({ ...options, socket });
  secure.on("error", () => {});
  try {
    await arrival(secure, "secureConnect");
  } catch (error) {
    secure.destroy();
    const { message, code = "" } = error as NodeJS.ErrnoException;
    // What is wrong with a certificate has a name of OpenSSL's, or is said by us, and what is wrong with TLS has not.
    throw new TlsFailure(message, { isUnverified: !/^(ERR_.*|E[A-Z]+)$/.test(code) });
  }
  if (target.sslNegotiation === "direct" && secure.alpnProtocol !== "postgresql") {
    secure.destroy();
    throw new TlsFailure("the server did not confirm PostgreSQL's protocol: set sslnegotiation=postgres");
  }
  return secure;
}

/** Reads the error with which a server, or a pooler without room, answers before there is any session. */
async function refusal(socket: Socket, begin: string): Promise<LoginRefused> {
  const framing = new Framing((_, length) => {
    if (length > LONGEST_ERROR) throw new Error("the server answered the request for TLS with an endless error");
  });
  for (let said = begin; ; said = await arrival(socket, "data")) {
    const [message] = framing.push(Buffer.from(said, "latin1"));
    if (message) return new LoginRefused(serverError(message.body, decodeUtf8), false);
  }
}

/** Waits for an event of a socket, and hands out what came with it, as text. */
function arrival(socket: Socket, event: "connect" | "data" | "secureConnect"): Promise<string> {
  return new Promise((resolve, reject) => {
    const settle = (run: () => void) => {
      socket.off(event, onEvent).off("error", onError).off("close", onClose);
      run();
    };
    const onEvent = (chunk?: Buffer) => settle(() => resolve(chunk?.toString("latin1") ?? ""));
    const onError = (error: Error) => settle(() => reject(error));
    const onClose = () => settle(() => reject(new Error("the server closed the connection")));
    socket.on(event, onEvent).on("error", onError).on("close", onClose);
  });
}
