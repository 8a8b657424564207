// Limits on the resources of one call. All are always enforced and configurable, and each error names its limit.

import { guard } from "./components.js";
import { Fault } from "./fault.js";

/** Limits on the resources of one call. */
export interface Limits {
  /** Wall-clock time of the whole call, including waits for the server. */
  deadlineMs: number;
  /** CPU time of the component. Waits for the host do not count. */
  cpuMs: number;
  /** Size of each of the component's memories, bytes. */
  memoryBytes: number;
  /** Rows returned by one statement; more are cut off and reported as truncated. */
  rows: number;
  /** Rows returned by all statements of one call. */
  answerRows: number;
  /** Memory of the rows of one call until the component has read them, bytes. */
  answerBytes: number;
  /** Size of the statements, parameters and reasons that the component passes to the host in one call, bytes. */
  requestBytes: number;
  /** Bytes that a server may send before a session is open. */
  startBytes: number;
  /** Size of one message of a server, bytes. */
  protocolMessageBytes: number;
  /** Bytes that a server may send for one statement or one view of a console. */
  statementBytes: number;
  /** Size of the JSON text that the component returns, bytes. */
  reportBytes: number;
  /** Statements in one batch, and views in one `show`. */
  statements: number;
  /** Number of calls of imported functions. */
  hostCalls: number;
  /** Probe connections of one call. */
  probes: number;
  /** Number of sessions and consoles open at the same time. */
  sessions: number;
  /** Orders of one call, over all deliveries. */
  orders: number;
  /** Time to open a connection, including TLS and authentication. */
  connectTimeoutMs: number;
  /** `statement_timeout` of every session. */
  statementTimeoutMs: number;
  /** `lock_timeout` of every session. */
  lockTimeoutMs: number;
  /** Maximum time to wait for signalled sessions to end. */
  leaveTimeoutMs: number;
}

/** Default limits: those of the Rust host. */
export const DEFAULT_LIMITS: Readonly<Limits> = Object.freeze({
  deadlineMs: of("deadline"),
  cpuMs: of("cpu"),
  memoryBytes: of("memory"),
  rows: of("rows"),
  answerRows: of("answer_rows"),
  answerBytes: of("answer_bytes"),
  requestBytes: of("request_bytes"),
  startBytes: of("start_bytes"),
  protocolMessageBytes: of("protocol_message_bytes"),
  statementBytes: of("statement_bytes"),
  reportBytes: of("report_bytes"),
  statements: of("statements"),
  hostCalls: of("host_calls"),
  probes: of("probes"),
  sessions: of("sessions"),
  orders: of("orders"),
  connectTimeoutMs: of("connect_timeout"),
  statementTimeoutMs: of("statement_timeout"),
  lockTimeoutMs: of("lock_timeout"),
  leaveTimeoutMs: of("leave_timeout"),
});

function of(name: string): number {
  const limit = guard().limits[name];
  if (limit === undefined) throw new Error(`guard.json has no limit ${name}: take the components' own`);
  return limit;
}

/** Maximum delay of a JavaScript timer; a longer one would fire at once. */
const MOST = 2 ** 31 - 1;

/** Returns the default limits with overrides. Throws for an unknown limit or a value that is not a positive integer. */
export function limitsWith(given: Partial<Limits> = {}): Limits {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [name, value] of set) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      throw Fault.invalid(`limit ${name}: is unknown: use one of ${Object.keys(DEFAULT_LIMITS).join(", ")}`);
    }
    if (!Number.isSafeInteger(value) || value < 1 || value > MOST) {
      throw Fault.invalid(`limit ${name}: a whole number from 1 to ${MOST} is wanted`);
    }
  }
  return { ...DEFAULT_LIMITS, ...Object.fromEntries(set) };
}
