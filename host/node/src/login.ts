// Startup and authentication of a session (manual, "Start-up"), with the SCRAM implementation of `pg`.

import { TLSSocket } from "node:tls";
import sasl from "pg/lib/crypto/sasl.js";
import hashes from "pg/lib/crypto/utils.js";
import { canBind } from "./certificate-hash.js";
import type { Channel } from "./channel.js";
import { guard } from "./components.js";
import type { AuthMethod } from "./connection-config/security.js";
import { place, quotesPassword, type Target } from "./connection-config/target.js";
import { Fault } from "./fault.js";
import { LoginRefused } from "./login-refused.js";
import { decoderOf, decodeUtf8 } from "./text.js";
import * as wire from "./wire.js";

/** Maximum number of SCRAM iterations; PostgreSQL's default is 4096. */
const MOST_ITERATIONS = 1_000_000;

const BOUND = "SCRAM-SHA-256-PLUS";

/** Request codes of AuthenticationRequest messages. */
const OK = 0;
const CLEARTEXT = 3;
const MD5 = 5;
const SASL = 10;
const SASL_CONTINUE = 11;
const SASL_FINAL = 12;

/** Data reported by the server during login. */
export interface LoggedIn {
  /** ParameterStatus: `server_version`, `server_encoding`, … */
  parameters: ReadonlyMap<string, string>;
  key: wire.BackendKey | undefined;
  /** Authentication method that the server requested. */
  method: AuthMethod;
}

/**
 * Opens a session on a channel. `settings` are startup parameters in addition to role and database. After the signal no
 * further message is processed.
 */
export async function logIn(
  channel: Channel,
  target: Target,
  settings: Record<string, string>,
  signal: AbortSignal,
): Promise<LoggedIn> {
  const parameters = new Map<string, string>();
  const authentication = new Authentication(channel, target);
  const quotes = quotesPassword(target);
  let key: wire.BackendKey | undefined;
  // The application name excludes the host's sessions from every count.
  const { user, database } = target;
  channel.send(wire.startup({ user, database, application_name: guard().application, ...settings }));
  for (;;) {
    const { code, body } = await channel.next();
    // Messages already received may be many, and each may require a computation.
    signal.throwIfAborted();
    const decode = decoderOf(parameters.get("server_encoding"));
    if (code === "E")
      throw new LoginRefused(wire.serverError(body, decode, quotes), channel.socket instanceof TLSSocket);
    else if (code === "R") await authentication.answer(body);
    else if (code === "S") parameters.set(...wire.parameterStatus(body, decode));
    else if (code === "K") key = wire.backendKey(body);
    else if (code === "Z") {
      wire.checkReady(body);
      return { parameters, key, method: authentication.finish() };
    }
  }
}

/** State of a SCRAM exchange: one challenge, then one proof by the server. */
interface Scram {
  session: ReturnType<typeof sasl.startSession>;
  isBound: boolean;
  state: "begun" | "challenged" | "proved";
}

/** Answers the server's authentication requests. */
class Authentication {
  readonly #channel: Channel;
  readonly #target: Target;
  #method: AuthMethod = "none";
  #isBegun = false;
  #isDone = false;
  #scram: Scram | undefined;

  constructor(channel: Channel, target: Target) {
    this.#channel = channel;
    this.#target = target;
  }

  async answer(body: Buffer): Promise<void> {
    const { request, data } = wire.authentication(body);
    if (this.#isDone) throw strange(this.#target, "the authentication went on after its end");
    switch (request) {
      case OK:
        data.end();
        this.#check();
        this.#isDone = true;
        break;
      case CLEARTEXT:
        data.end();
        this.#begin("password");
        this.#channel.send(wire.password(this.#password()));
        break;
      case MD5: {
        const salt = data.take(4);
        data.end();
        this.#begin("md5");
        const hash = await hashes.postgresMd5PasswordHash(this.#target.user, this.#password(), salt);
        this.#channel.send(wire.password(hash));
        break;
      }
      case SASL:
        this.#startScram(wire.mechanisms(data));
        break;
      case SASL_CONTINUE:
        await this.#continueScram(decodeUtf8(data.rest()));
        break;
      case SASL_FINAL:
        this.#finishScram(decodeUtf8(data.rest()));
        break;
      default:
        throw this.#failed(`asks for ${NAMES[request] ?? `method ${request}`}, which this host does not speak`);
    }
  }

  /** Returns the method by which the session was authenticated. */
  finish(): AuthMethod {
    if (!this.#isDone) throw strange(this.#target, "the session began without an authentication");
    return this.#method;
  }

  /** Checks that a method is allowed before any response to it is sent. */
  #begin(method: AuthMethod): void {
    // A second request would send or hash the password again.
    if (this.#isBegun) throw this.#failed("asks for a second authentication");
    this.#isBegun = true;
    this.#method = method;
    this.#requireAllowed();
    if (method !== "scram-sha-256" && this.#target.channelBinding === "require") {
      throw this.#failed(`asks for method ${method}, and channel_binding=require allows SCRAM alone`);
    }
  }

  #requireAllowed(): void {
    const { requireAuth } = this.#target;
    if (requireAuth === undefined || requireAuth.includes(this.#method)) return;
    const asked = this.#method === "none" ? "asks for no authentication" : `asks for method ${this.#method}`;
    throw this.#failed(`${asked}, and require_auth allows ${requireAuth.join(", ")}`);
  }

  /** Checks that every required step was completed before the server's AuthenticationOk. */
  #check(): void {
    this.#requireAllowed();
    if (this.#method === "scram-sha-256" && this.#scram?.state !== "proved") {
      throw this.#failed("did not prove that it knows the password");
    }
    if (this.#target.channelBinding === "require" && !this.#scram?.isBound) {
      throw this.#failed("opened the session without channel binding, and channel_binding=require asks for it");
    }
  }

  #startScram(mechanisms: string[]): void {
    this.#begin("scram-sha-256");
    this.#password();
    const stream = this.#bindable();
    if (this.#target.channelBinding === "require" && !(stream && mechanisms.includes(BOUND))) {
      const why = stream ? "offers no channel binding" : "has no session with TLS whose certificate can be bound to";
      throw this.#failed(`${why}, and channel_binding=require asks for it`);
    }
    const session = this.#tried(() => sasl.startSession(mechanisms, stream, MOST_ITERATIONS));
    this.#scram = { session, isBound: session.mechanism === BOUND, state: "begun" };
    this.#channel.send(wire.saslInitial(session.mechanism, session.response));
  }

  async #continueScram(data: string): Promise<void> {
    const { session } = this.#step("begun", "challenged");
    const [, iterations] = /(?:^|,)i=(\d+)/.exec(data) ?? [];
    if (Number(iterations) > MOST_ITERATIONS) {
      throw this.#failed(`asks for ${iterations} iterations of SCRAM: ${MOST_ITERATIONS} are computed at most`);
    }
    await sasl.continueSession(session, this.#password(), data, this.#bindable()).catch((error: Error) => {
      throw this.#failed(`broke off: ${error.message}`);
    });
    this.#channel.send(wire.saslResponse(session.response));
  }

  #finishScram(data: string): void {
    const { session } = this.#step("challenged", "proved");
    this.#tried(() => sasl.finalizeSession(session, data));
  }

  /** Advances the exchange. Repeated steps are refused, because each requires a computation. */
  #step(from: Scram["state"], to: Scram["state"]): Scram {
    if (!this.#scram) throw strange(this.#target, "SCRAM went on that had not begun");
    if (this.#scram.state !== from) throw this.#failed("went on with SCRAM out of its order");
    this.#scram.state = to;
    return this.#scram;
  }

  #tried<T>(step: () => T): T {
    try {
      return step();
    } catch (error) {
      throw this.#failed(`broke off: ${(error as Error).message}`);
    }
  }

  /** Returns the TLS socket for channel binding, if binding is possible. */
  #bindable(): TLSSocket | undefined {
    const { socket } = this.#channel;
    if (this.#target.channelBinding === "disable" || !(socket instanceof TLSSocket)) return undefined;
    return canBind(socket.getPeerCertificate().raw) ? socket : undefined;
  }

  #password(): string {
    const { password } = this.#target;
    if (password) return password.reveal();
    // The reason why a pass file is ignored explains the missing password.
    const note = this.#target.notes.find((note) => note.startsWith("pass file "));
    const why = note === undefined ? "" : `: ${note}`;
    throw this.#failed(`asks for a password, and the credential has none${why}`);
  }

  #failed(why: string): Fault {
    return new Fault("authentication-failed", `${place(this.#target)} ${why}`);
  }
}

const NAMES: Record<number, string> = { 2: "Kerberos", 6: "SCM credentials", 7: "GSSAPI", 9: "SSPI" };

function strange(target: Target, why: string): Fault {
  return new Fault("server-unreachable", `no PostgreSQL server answers at ${place(target)}: ${why}`, {
    retryable: true,
  });
}
