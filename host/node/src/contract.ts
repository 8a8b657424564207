// Written by scripts/contract-types.mjs from the JSON Schemas of `describe`: do not edit. A test fails when
// it is not current; `BLESS=1 npm run build` writes it again.

/** What can be asked for. */
export type ActionName = "monitor" | "detect-leaks" | "health-check" | "auto-scale" | "kill-idle" | "full-analysis";

/** What to do, to which database (SkillInput without what only the host may see). */
export interface SkillInput {
  /** One of the six actions; `full-analysis` when absent. */
  action?: ActionName | null;
  /** What the previous report returned. */
  carry?: unknown;
  /** Name of a credential that the host holds; the host's default when absent. */
  credential?: string | null;
  /** Thresholds, bounds and filters. */
  options?: Options;
  /** What opens supabaseUrl. For the host alone, which keeps it and passes the rest on. */
  supabaseKey?: string;
  /** https://<ref>.supabase.co, or a postgres:// URL. For the host alone, which resolves it. */
  supabaseUrl?: string;
}

/**
 * Which sessions. A list that is empty matches nothing by itself; the lists of an `include` are
 * joined by "and", those of an `exclude` by "or".
 */
export interface Filter {
  /** Application-name patterns: `*` stands for anything, `?` for one character. */
  applications?: string[];
  /** Database names. */
  databases?: string[];
  /** Client networks, such as `10.0.0.0/8`. */
  networks?: string[];
  /** Role names. */
  roles?: string[];
}

/** The options as a caller writes them: each may be absent. */
export interface Options {
  /** False: compute the target size, resize nothing. Default true. */
  allowAutoScaling?: boolean | null;
  /** Plan, signal nothing. Default false. */
  dryRun?: boolean | null;
  /** Never judge or end sessions that match. */
  exclude?: Filter | null;
  /** Largest growth in one step, percent. Default 20, 1–100. */
  growthRate?: number | null;
  /** How often the host repeats probes in watch mode, milliseconds. Default 30000, at least 1000. */
  healthCheckInterval?: number | null;
  /**
   * A session idle in a transaction for longer may be ended, milliseconds. Default 60000, at
   * least 1000.
   */
  idleInTransactionTimeoutMs?: number | null;
  /** An idle session older than this may be ended, milliseconds. Default 300000, at least 10000. */
  idleTimeoutMs?: number | null;
  /** Judge and end only sessions that match. */
  include?: Filter | null;
  /** Confidence from which a session is a suspect, percent. Default 80, 0–100. */
  leakDetectionThreshold?: number | null;
  /** Older sessions are reported as over-age, milliseconds. Default 3600000, at least 60000. */
  maxConnectionAge?: number | null;
  /**
   * Cap on ended sessions, percent of the killable and of all client sessions, the smaller,
   * rounded down. Default 25, 0–100.
   */
  maxKillPercentage?: number | null;
  /** Upper bound of the pool. Default 100, at least `minSize`. */
  maxSize?: number | null;
  /** Lower bound of the pool. Default 5, at least 1. */
  minSize?: number | null;
  /** In-call sampling for rates when there is no `carry`, milliseconds. Default 1000, 0–10000. */
  sampleMs?: number | null;
  /** Largest reduction in one step, percent. Default 15, 1–100. */
  shrinkRate?: number | null;
}

/** SkillOutput: what the JSON door answers. */
export interface SkillOutput {
  /** The report, when it was. */
  data?: Report | null;
  /** Server time from the first to the last answer, milliseconds; 0 when no server answered. */
  duration: number;
  /** The fault, when it was not. */
  error?: FaultRecord | null;
  /** The skill's name. */
  skill: string;
  /** Whether the action was done. */
  success: boolean;
  /** The server's time, ISO 8601 UTC; none when no server answered. */
  timestamp?: string | null;
  /** The contract's version. */
  version: string;
}

/** Something that was planned or done. */
export interface ActionRecord {
  /** How many sessions were really ended, or by how many the pool changed. */
  connectionsAffected: number;
  /** Whether it was only a plan. */
  dryRun: boolean;
  /** Whether anything was really changed. */
  executed: boolean;
  /** Why, and why not more. */
  reason: string;
  /** Each session with its outcome. */
  targets: ActionTarget[];
  /** Server time, ISO 8601 UTC. */
  timestamp: string;
  /** `kill-idle`, `scale-up`, `scale-down`, `restart-broken` or `drain`. */
  type: string;
}

/** The server's slots for client sessions. */
export interface Capacity {
  /** `max_connections`. */
  max: number;
  /** `superuser_reserved_connections` + `reserved_connections`. */
  reserved: number;
  /** What ordinary roles can use. */
  usable: number;
  /** Slots taken, ours and hidden sessions included. */
  used: number;
}

/** The verdict on one session. */
export interface Check {
  /** Application name. */
  application: string;
  /** Identity: `pid@backend_start`. */
  id: string;
  /** Process id. */
  pid: number;
  /** Why. */
  reason: string;
  /** `healthy`, `unhealthy`, `broken` or `unknown`. */
  verdict: string;
}

/** One session and what speaks for and against its being leaked. */
export interface ConnectionMetric {
  /** Application name. */
  application: string;
  /** Client address. */
  client?: string | null;
  /** How sure the verdict is, 0–100. */
  confidence: number;
  /** When the session was established, ISO 8601 UTC. */
  createdAt: string;
  /** Database name. */
  database: string;
  /** Milliseconds since it was established. */
  duration: number;
  /** What speaks for a leak, strongest first. */
  evidence: Evidence[];
  /** What speaks against judging it at all. */
  exclusions: string[];
  /** Identity: `pid@backend_start`. */
  id: string;
  /** Milliseconds since it was last in use; 0 while it is. */
  idleTime: number;
  /** Its last statement with the literals removed. */
  lastQuery: string;
  /** When the session was last in use, ISO 8601 UTC. */
  lastUsed?: string | null;
  /** Process id. */
  pid: number;
  /** Role name. */
  role: string;
  /** `state` as the server reports it. */
  state: string;
  /** The pooler that it passes through: application and client are the real ones then. */
  through?: Through | null;
  /** What it waits for: type and event. */
  waitEvent?: string | null;
}

/** Client sessions by state, over all databases of the server, ours excluded. */
export interface Connections {
  /** Waiting for the rollback of a failed transaction. */
  aborted: number;
  /** Executing a statement, waiting ones included. */
  active: number;
  /** Stuck: the client no longer reads, or an aborted transaction fell silent. */
  broken: number;
  /** Sessions by application name, largest first. */
  byApplication: Tally[];
  /** Sessions by database, largest first. */
  byDatabase: Tally[];
  /** Sessions by role, largest first. */
  byRole: Tally[];
  /** The server's slots. */
  capacity: Capacity;
  /** Waiting for a command outside a transaction. */
  idle: number;
  /** Waiting for a command inside a transaction. */
  idleInTransaction: number;
  /** Authenticating (PostgreSQL 18+). */
  starting: number;
  /** All visible client sessions. */
  total: number;
  /** Active, but its client has not sent the rest of its statement for longer than `idleTimeoutMs`. */
  unfinished: number;
  /** In a state that cannot be judged (`track_activities` off, or newer than this program). */
  unknown: number;
  /** Waiting for a lock. */
  waiting: number;
}

/** How much of the server could be seen. */
export interface Coverage {
  /** Whether nothing was hidden. */
  complete: boolean;
  /** Sessions that could not: at most this many are client sessions. */
  hidden: number;
  /** Seen among seen and hidden, percent. */
  percent: number;
  /** What hides the rest and what would show it. */
  reason?: string | null;
  /** Client sessions that could be read, ours excluded. */
  seen: number;
}

/** Measured demand for sessions of the connected database. */
export interface Demand {
  /** Sessions executing now. */
  active: number;
  /** Sessions idle in a transaction now. */
  idleInTransaction: number;
  /** Mean sessions busy over the measured window (Little's law, from the server's time counters). */
  meanConcurrency?: number | null;
  /** The demand that the target follows: the highest of the recent moments. */
  peak: number;
  /** Clients that wait for a server connection of the pooler now. */
  queued: number;
  /** How many moments that rests on. */
  samples: number;
  /** Sessions of them waiting for a lock now. */
  waiting: number;
}

/** One piece of evidence. */
export interface Evidence {
  /** What it means, for a reader. */
  explanation: string;
  /** Which kind of evidence. */
  id: string;
  /** What was measured. */
  value: string;
  /** What it adds to the log-odds of a leak. */
  weight: number;
}

/** Why something could not be done. */
export interface FaultRecord {
  /** What kind of trouble; see [`kind`]. */
  kind: string;
  /** One sentence for an operator, naming the setting to change. */
  message: string;
  /** Whether the same call may succeed later without anything being changed. */
  retryable: boolean;
  /** The server's SQLSTATE, where it came from a server. */
  sqlstate?: string | null;
}

/** One thing that an operator should know. */
export interface Finding {
  /** What was measured. */
  evidence: string[];
  /** How to mend it on this server. */
  fix?: Fix | null;
  /** Which kind of finding. */
  id: string;
  /** `critical`, `warning` or `info`. */
  severity: string;
  /** What is wrong and what to do, in one sentence or two. */
  text: string;
}

/** How to mend a finding on this server. */
export interface Fix {
  /** Who can run it: `you` (the connected role), `administrator`, or `application` for code. */
  by: string;
  /** SQL that is valid on this server. */
  sql?: string | null;
  /** What to do. */
  summary: string;
}

/** The sessions of one pool: one database, role, application and client. */
export interface Group {
  /** Application name; where its sessions have several, `*` stands for what varies. */
  application: string;
  /** Client address; none for local sockets. */
  client?: string | null;
  /** Database name. */
  database: string;
  /** By how many sessions it grew since the oldest remembered call. */
  growth?: number | null;
  /** How many of them are idle. */
  idle: number;
  /** Median idle age now, milliseconds. */
  medianIdle?: number | null;
  /** Role name. */
  role: string;
  /** How many sessions. */
  sessions: number;
  /** How many of them are suspected. */
  suspected: number;
  /** The group's usual idle age, milliseconds: the median over at least three earlier calls. */
  usualIdle?: number | null;
}

/** What the server has left for the pool. */
export interface Headroom {
  /** The largest size that the pool can have. */
  available: number;
  /** Slots taken by sessions outside the pool. */
  others: number;
  /** What ordinary roles can use on this server and in this database. */
  usable: number;
}

/** Which sessions and fresh connections are in good order. */
export interface HealthSummary {
  /** Mean round trip of the probes, milliseconds. */
  avgLatency?: number | null;
  /** The sessions, unhealthy first. */
  checks: Check[];
  /** Unhealthy among checked, percent. */
  failureRate: number;
  /** In good order. */
  healthy: number;
  /** The fresh connections. */
  probes: Probe[];
  /** Sessions judged and connections probed. */
  totalChecked: number;
  /** Not in good order. */
  unhealthy: number;
}

/** Which sessions are probably leaked, and why. */
export interface LeakDetection {
  /** The highest confidence among all judged sessions, 0–100. */
  confidence: number;
  /** On how much of the server the verdict rests; without full coverage there is none. */
  coverage: Coverage;
  /** Whether any session reached the threshold. */
  detected: boolean;
  /** Sessions that would have reached it, but are excluded for the reasons they carry. */
  excludedConnections: ConnectionMetric[];
  /** The sessions by (role, application, client). */
  groups: Group[];
  /** What to do about it. */
  recommendation: string;
  /** The sessions that did, surest first. */
  suspectedConnections: ConnectionMetric[];
  /** How many are suspected. */
  totalSuspected: number;
}

/** Connections, rates and times. */
export interface PoolStats {
  /** Client sessions by state. */
  connections: Connections;
  /** What the pooler says of its side; none without a console. */
  pooler?: PoolerStats | null;
  /** Rates since the previous call or over the in-call sample. */
  throughput: Throughput;
  /** Times. */
  timing: Timing;
}

/** One pool of a pooler. */
export interface PoolStatus {
  /** Server connections that a client has. */
  active: number;
  /** The database's name at the pooler. */
  database: string;
  /** Server connections that nobody has. */
  idle: number;
  /** For how long the first of them has waited, milliseconds. */
  maxWait: number;
  /** `session`, `transaction` or `statement`. */
  mode: string;
  /** The role. */
  role: string;
  /** How many server connections it may have; none when unlimited or not known. */
  size?: number | null;
  /** Clients that wait for one. */
  waiting: number;
}

/** A pooler's side of the pool. */
export interface PoolerStats {
  /** Mean time that a transaction waited for its server connection, milliseconds. */
  avgWaitTime?: number | null;
  /** Applications' connections to it. */
  clients: number;
  /** What it is: `pgbouncer`, `supabase` or `postgresql`. */
  kind: string;
  /** For how long the first of them has waited, milliseconds. */
  maxWait: number;
  /** Its pools, the longest queue first. */
  pools: PoolStatus[];
  /** Its connections to servers. */
  servers: number;
  /** Transactions, over all its databases. */
  transactionsPerSecond?: number | null;
  /** Its version as it tells it. */
  version?: string | null;
  /** Clients that wait for a server connection. */
  waiting: number;
}

/** One fresh connection: its times, or what went wrong. */
export interface Probe {
  /** Milliseconds until the session was ready for queries. */
  connectMs?: number | null;
  /** Why there is no time. */
  error?: string | null;
  /** Milliseconds of one empty round trip. */
  roundTripMs?: number | null;
  /** The server's SQLSTATE for it. */
  sqlstate?: string | null;
}

/** The answer to every action. */
export interface Report {
  /** The action that was asked for. */
  action: string;
  /** What was planned or done. */
  actions: ActionRecord[];
  /** Server time from the first to the last answer, milliseconds. */
  analysisDuration: number;
  /** Memory for the next call: hand it back unchanged. */
  carry: unknown;
  /** How much of the server the connected role could see. */
  coverage: Coverage;
  /** The same with identifier, severity, evidence and fix. */
  findings: Finding[];
  /** Which sessions and fresh connections are in good order. */
  healthSummary: HealthSummary;
  /** Which sessions are probably leaked, and why. */
  leakDetection: LeakDetection;
  /** What was not measurable, and why. */
  notes: string[];
  /** Connections, rates and times. */
  poolStats: PoolStats;
  /** The findings' texts, worst first. */
  recommendations: string[];
  /** How large the pool should be, and why. */
  scaling: Scaling;
  /** The server's time of the snapshot, ISO 8601 UTC. */
  timestamp: string;
}

/** How large the pool should be, and why. */
export interface Scaling {
  /** What would carry the resize out; `advice` when nothing can. */
  controller: string;
  /** The pool's size now; without a pooler, the connected database's client sessions. */
  currentSize: number;
  /** What the target follows. */
  demand: Demand;
  /** The largest growth in one step, percent. */
  growthRate: number;
  /** What the server has left for the pool. */
  headroom: Headroom;
  /** The upper bound asked for. */
  maxSize: number;
  /** The lower bound asked for. */
  minSize: number;
  /** Why this target. */
  reason: string;
  /** The largest reduction in one step, percent. */
  shrinkRate: number;
  /** The size to go to in this step. */
  targetSize: number;
}

/** A count under a name. */
export interface Tally {
  /** How many. */
  count: number;
  /** What is counted; empty when the sessions set no name. */
  name: string;
}

/** A session that an action aims at. */
export interface ActionTarget {
  /** Application name. */
  application: string;
  /** Client address. */
  client?: string | null;
  /** What the host or the server said about it. */
  detail?: string | null;
  /** Identity: `pid@backend_start`. */
  id: string;
  /** Milliseconds since it was last in use. */
  idleTime: number;
  /** `planned`, `ended`, `gone`, `changed`, `survived`, `denied`, `failed` or `not-executed`. */
  outcome: string;
  /** Process id. */
  pid: number;
  /** Why it was chosen. */
  reason: string;
  /** Role name. */
  role: string;
  /** `state` when it was chosen. */
  state: string;
}

/** How a session passes through a pooler. */
export interface Through {
  /** The application that has the connection; none when it is free or was just passed on. */
  client?: ThroughClient | null;
  /** The pool's mode: `session`, `transaction` or `statement`. */
  mode: string;
  /** The pooler's kind. */
  pooler: string;
  /** The address that the server sees: the pooler's. */
  serverAddress?: string | null;
  /** `application_name` as the server has it: of whoever used the connection last. */
  serverApplication: string;
}

/** The application behind a pooled session. */
export interface ThroughClient {
  /** Its number at the pooler, for `KILL_CLIENT` (PgBouncer 1.24+). */
  id?: string | null;
  /** Its port at the pooler. */
  port: number;
}

/** Rates per second; null when not measurable, with the reason in the notes. */
export interface Throughput {
  /** Sessions whose client vanished. */
  abandonedPerSecond?: number | null;
  /** Sessions ended. */
  connectionsClosedPerSecond?: number | null;
  /** Sessions established. */
  connectionsCreatedPerSecond?: number | null;
  /** Transactions of the connected database. */
  requestsPerSecond?: number | null;
  /** Over how long the rates were measured, milliseconds. */
  windowMs?: number | null;
}

/** Times in milliseconds; null when not measured. */
export interface Timing {
  /** Mean time to open a connection, by this call's probes. */
  avgConnectionTime?: number | null;
  /** Mean execution time in the measured window, by `pg_stat_statements`. */
  avgQueryTime?: number | null;
  /** The longest present wait for a lock; 0 when nobody waits. */
  maxWaitTime?: number | null;
}
