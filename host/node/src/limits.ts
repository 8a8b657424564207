// What one call may use. Every limit is always on, can be set, and has an error of its own that names it.

import { guard } from "./components.js";
import { Fault } from "./fault.js";

/** What one call may use. */
export interface Limits {
  /** Wall-clock time of the whole call, waiting for the server included. */
  deadlineMs: number;
  /** Time that the component itself may compute. What it waits for the host does not count. */
  cpuMs: number;
  /** Bytes of each of the component's memories. */
  memoryBytes: number;
  /** Rows that one statement hands over; more are cut off and reported as truncated. */
  rows: number;
  /** Rows that all statements of one call hand over. */
  answerRows: number;
  /** Memory of the rows that all statements of one call hand over, until the component has read them. */
  answerBytes: number;
  /** Bytes of statements, parameters and reasons that the component gives the host in one call. */
  requestBytes: number;
  /** Bytes that a server may send until a session is open. */
  startBytes: number;
  /** Bytes of one message of a server. */
  protocolMessageBytes: number;
  /** Bytes that a server may send for one statement, or for one view of a console. */
  statementBytes: number;
  /** Bytes of the JSON text that the component answers with. */
  reportBytes: number;
  /** Statements in one batch, and views in one `show`. */
  statements: number;
  /** Calls of imported functions. */
  hostCalls: number;
  /** Fresh connections of one call, over all of its probes. */
  probes: number;
  /** Sessions and consoles open at the same time. */
  sessions: number;
  /** Orders of one call, over all of its deliveries. */
  orders: number;
  /** Time to open a connection, TLS and authentication included. */
  connectTimeoutMs: number;
  /** `statement_timeout` of every session. */
  statementTimeoutMs: number;
  /** `lock_timeout` of every session. */
  lockTimeoutMs: number;
  /** How long to wait for signalled sessions to leave. */
  leaveTimeoutMs: number;
}

/** The limits that hold unless others are set: the Rust host's own. */
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

/** The longest that a timer of JavaScript's waits; a longer one would not wait at all. */
const MOST = 2 ** 31 - 1;

/** The default limits with others in their place. Throws for a limit that is unknown, or no whole number above zero. */
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
