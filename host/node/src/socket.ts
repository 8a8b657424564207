// Socket to one host, with or without TLS.

import { connect, type NetConnectOpts, type Socket } from "node:net";
import * as tls from "node:tls";
import { isSocket, type Target } from "./connection-config/target.js";
import { LoginRefused } from "./login-refused.js";
import type { Lookups } from "./lookups.js";
import { decodeUtf8 } from "./text.js";
import { tlsOptions } from "./tls.js";
import { Framing, serverError, sslRequest } from "./wire.js";

const KEEP_ALIVE_MS = 30_000;

/** Maximum length of an error before a session, bytes. */
const LONGEST_ERROR = 8_192;

/** TLS of a socket. `optional`: unless the server refuses it. */
export type Encryption = "none" | "optional" | "required";

/** Error when TLS could not be established. */
export class TlsFailure extends Error {
  /** True when the server does not support TLS. */
  readonly isUnsupported: boolean;
  /** True when its certificate failed verification. */
  readonly isUnverified: boolean;

  constructor(message: string, { isUnsupported = false, isUnverified = false } = {}) {
    super(message);
    this.isUnsupported = isUnsupported;
    this.isUnverified = isUnverified;
  }
}

/** Opens a socket to a target's own host. The signal aborts the attempt. */
export async function openSocket(
  target: Target,
  encryption: Encryption,
  signal: AbortSignal,
  lookups: Lookups,
): Promise<Socket> {
  // Files are read before the socket is opened.
  const options = encryption === "none" ? undefined : tlsOptions(target);
  const socket = connect({ ...addressOf(target), lookup: lookups.until(signal) } as NetConnectOpts);
  socket.setNoDelay(true);
  // Unhandled errors also appear in the socket's close.
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
    // Bytes after the answer are not encrypted and may be injected.
    if (reply !== "S") throw new TlsFailure("the server answered the request for TLS with something else");
  }
  const secure = tls.connect({ ...options, socket });
  secure.on("error", () => {});
  try {
    await arrival(secure, "secureConnect");
  } catch (error) {
    secure.destroy();
    const { message, code = "" } = error as NodeJS.ErrnoException;
    // Certificate errors have OpenSSL's code or this host's; TLS errors have Node's codes.
    throw new TlsFailure(message, { isUnverified: !/^(ERR_.*|E[A-Z]+)$/.test(code) });
  }
  if (target.sslNegotiation === "direct" && secure.alpnProtocol !== "postgresql") {
    secure.destroy();
    throw new TlsFailure("the server did not confirm PostgreSQL's protocol: set sslnegotiation=postgres");
  }
  return secure;
}

/** Reads the error that a server, or a full pooler, sends before a session exists. */
async function refusal(socket: Socket, begin: string): Promise<LoginRefused> {
  const framing = new Framing((_, length) => {
    if (length > LONGEST_ERROR) throw new Error("the server answered the request for TLS with an endless error");
  });
  for (let said = begin; ; said = await arrival(socket, "data")) {
    const [message] = framing.push(Buffer.from(said, "latin1"));
    if (message) return new LoginRefused(serverError(message.body, decodeUtf8), false);
  }
}

/** Awaits an event of a socket, and returns its data as text. */
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
