// Written by scripts/contract-types.mjs from the JSON Schemas of `describe`: do not edit. A test fails when
// it is not current; `BLESS=1 npm run build` writes it again.

/** What can be asked for. */
export type ActionName = "monitor" | "detect-leaks" | "health-check" | "auto-scale" | "kill-idle" | "full-analysis";

/** Action, credential and options: SkillInput without the fields for the host alone. */
export interface SkillInput {
  /** One of the six actions; `full-analysis` when absent. */
  action?: ActionName | null;
  /** State that the previous report returned. */
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
 * A filter of sessions. An empty list is ignored; the lists of an `include` are joined by "and", those of an `exclude`
 * by "or".
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

/** Thresholds, bounds and filters; an absent one takes its default. */
export interface Options {
  /** False: compute the target size, resize nothing. Default true. */
  allowAutoScaling?: boolean | null;
  /** Plan, signal nothing. Default false. */
  dryRun?: boolean | null;
  /** Never score or end sessions that match. */
  exclude?: Filter | null;
  /** Process ids of sessions whose confidence is to be explained, suspected or not: at most 20. */
  explain?: number[] | null;
  /** Largest growth in one step, percent. Default 20, 1–100. */
  growthRate?: number | null;
  /** Interval of probes in watch mode, milliseconds. Default 30000, at least 1000. */
  healthCheckInterval?: number | null;
  /**
   * A session idle in a transaction for longer may be ended, milliseconds. Default 60000, at
   * least 1000.
   */
  idleInTransactionTimeoutMs?: number | null;
  /** An idle session older than this may be ended, milliseconds. Default 300000, at least 10000. */
  idleTimeoutMs?: number | null;
  /** Score and end only sessions that match. */
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
  /**
   * End only these sessions, each by pid and start: at most 1000. The caps are the same; the report has the reason
   * for each that is spared. An empty list selects none.
   */
  only?: SessionKey[] | null;
  /** In-call sampling for rates when there is no `carry`, milliseconds. Default 1000, 0–10000. */
  sampleMs?: number | null;
  /** Largest reduction in one step, percent. Default 15, 1–100. */
  shrinkRate?: number | null;
}

/** A backend's identity. */
export interface SessionKey {
  /** `backend_start`, microseconds since 1970. */
  backendStart: number;
  /** Process id. */
  pid: number;
}

/** SkillOutput: the result of `skill.run`. */
export interface SkillOutput {
  /** The report, when it was. */
  data?: Report | null;
  /** Server time from the first to the last answer, milliseconds; 0 when no server answered. */
  duration: number;
  /** The fault, when it was not. */
  error?: FaultRecord | null;
  /** The skill's name. */
  skill: string;
  /** True when the action was executed. */
  success: boolean;
  /** The server's time, ISO 8601 UTC; none when no server answered. */
  timestamp?: string | null;
  /** The contract's version. */
  version: string;
}

/** An action that was planned or executed. */
export interface ActionRecord {
  /** Number of ended sessions, or change of the pool's size. */
  connectionsAffected: number;
  /** True when it was only a plan. */
  dryRun: boolean;
  /** True when anything was changed. */
  executed: boolean;
  /** Reason, and reason for not doing more. */
  reason: string;
  /** The sessions of `options.only` that are no targets, with reasons; left out without them. */
  spared?: Spared[];
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
  /** Slots for ordinary roles. */
  usable: number;
  /** Slots taken, ours and hidden sessions included. */
  used: number;
}

/** Health of one session that is not healthy. */
export interface Check {
  /** Application name. */
  application: string;
  /** Identity: `pid@backend_start`. */
  id: string;
  /** Process id. */
  pid: number;
  /** Reason. */
  reason: string;
  /** `broken`, `unhealthy` or `unknown`. */
  verdict: string;
}

/** One session with the evidence for and against a leak. */
export interface ConnectionMetric {
  /** Application name. */
  application: string;
  /** Client address. */
  client?: string | null;
  /** Confidence of a leak, 0–100. */
  confidence: number;
  /** Time at which the session was established, ISO 8601 UTC. */
  createdAt: string;
  /** Database name. */
  database: string;
  /** Milliseconds since it was established. */
  duration: number;
  /** Evidence for a leak, strongest first, and after it evidence against one, with negative weights. */
  evidence: Evidence[];
  /** Reasons for excluding it. */
  exclusions: string[];
  /** Identity: `pid@backend_start`. */
  id: string;
  /** Milliseconds since it was last in use; 0 while it is. */
  idleTime: number;
  /** Its last statement with the literals removed. */
  lastQuery: string;
  /** Time at which the session was last in use, ISO 8601 UTC. */
  lastUsed?: string | null;
  /** Process id. */
  pid: number;
  /** Role name. */
  role: string;
  /** `state` as the server reports it. */
  state: string;
  /** The pooler that it passes through: application and client are then those behind the pooler. */
  through?: Through | null;
  /** Wait event: type and name. */
  waitEvent?: string | null;
}

/** Client sessions by state, over all databases of the server, ours excluded. */
export interface Connections {
  /** Waiting for the rollback of a failed transaction. */
  aborted: number;
  /** Executing a statement, waiting ones included. */
  active: number;
  /** Stuck: the client no longer reads, or an aborted transaction is idle for too long. */
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
  /** In an unknown state (`track_activities` off, or newer than this program). */
  unknown: number;
  /** Waiting for a lock. */
  waiting: number;
}

/** Visible share of the server. */
export interface Coverage {
  /** True when nothing was hidden. */
  complete: boolean;
  /** Hidden sessions: an upper bound of the hidden client sessions. */
  hidden: number;
  /** Seen among seen and hidden, percent. */
  percent: number;
  /** Reason for hidden sessions, and remedy. */
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
  /** The highest recent demand, from which the target is computed. */
  peak: number;
  /** Clients that wait for a server connection of the pooler now. */
  queued: number;
  /** Number of samples behind it. */
  samples: number;
  /** Sessions of them waiting for a lock now. */
  waiting: number;
}

/** One piece of evidence. */
export interface Evidence {
  /** Its meaning, as text. */
  explanation: string;
  /** Kind of evidence. */
  id: string;
  /** The measured value. */
  value: string;
  /** Contribution to the log-odds of a leak; negative for evidence against one. */
  weight: number;
}

/** Explanation of one session's confidence. */
export interface Explanation {
  /** Information that is missing to be sure, and how it can be had. */
  missing: string[];
  /** Log-odds of a leak without any evidence, to which the weights are added. */
  prior: number;
  /** The session, with all evidence for and against a leak. */
  session: ConnectionMetric;
  /** True if it is a suspect. */
  suspected: boolean;
  /** Confidence that a suspect has at least, 0–100. */
  threshold: number;
}

/** An error: something could not be done. */
export interface FaultRecord {
  /** Kind of error; see [`kind`]. */
  kind: string;
  /** One sentence for an operator, naming the setting to change. */
  message: string;
  /** True when the same call may succeed later without any change. */
  retryable: boolean;
  /** The server's SQLSTATE, where it came from a server. */
  sqlstate?: string | null;
}

/** One finding for an operator. */
export interface Finding {
  /** The measured value. */
  evidence: string[];
  /** Remedy on this server. */
  fix?: Fix | null;
  /** Kind of finding. */
  id: string;
  /** `critical`, `warning` or `info`. */
  severity: string;
  /** Problem and remedy, in one or two sentences. */
  text: string;
}

/** Remedy of a finding on this server. */
export interface Fix {
  /** Executor: `you` (the connected role), `administrator`, or `application` for code. */
  by: string;
  /** SQL that is valid on this server. */
  sql?: string | null;
  /** Summary. */
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
  /** Growth in sessions since the oldest call in `carry`. */
  growth?: number | null;
  /** Number of idle sessions among them. */
  idle: number;
  /** Median idle age now, milliseconds. */
  medianIdle?: number | null;
  /** Role name. */
  role: string;
  /** Number of sessions. */
  sessions: number;
  /** Number of suspects among them. */
  suspected: number;
  /** The group's usual idle age, milliseconds: the median over at least three earlier calls. */
  usualIdle?: number | null;
}

/** Capacity of the server for the pool. */
export interface Headroom {
  /** The largest size that the pool can have. */
  available: number;
  /** Slots taken by sessions outside the pool. */
  others: number;
  /** Slots for ordinary roles on this server and in this database. */
  usable: number;
}

/** Health of sessions and fresh connections. */
export interface HealthSummary {
  /** Mean round trip of the probes, milliseconds. */
  avgLatency?: number | null;
  /** The sessions that are not healthy, broken ones first. Healthy ones are counted only. */
  checks: Check[];
  /** Unhealthy among checked, percent. */
  failureRate: number;
  /** Healthy ones. */
  healthy: number;
  /** The fresh connections. */
  probes: Probe[];
  /** Checked sessions and probed connections. */
  totalChecked: number;
  /** Unhealthy ones. */
  unhealthy: number;
}

/** Sessions that are probably leaked, with evidence. */
export interface LeakDetection {
  /** The highest confidence among all scored sessions, 0–100. */
  confidence: number;
  /** Share of the server that was visible; without full coverage there is no verdict. */
  coverage: Coverage;
  /** True when any session reached the threshold. */
  detected: boolean;
  /** Sessions that would have reached it, but are excluded, with reasons. */
  excludedConnections: ConnectionMetric[];
  /** The sessions that `options.explain` names, suspected or not; left out without them. */
  explained?: Explanation[];
  /** The sessions by (role, application, client). */
  groups: Group[];
  /** Recommended action. */
  recommendation: string;
  /** The sessions that did, by falling confidence. */
  suspectedConnections: ConnectionMetric[];
  /** Number of suspects. */
  totalSuspected: number;
}

/** Connections, rates and times. */
export interface PoolStats {
  /** Client sessions by state. */
  connections: Connections;
  /** The pooler's side; none without a console. */
  pooler?: PoolerStats | null;
  /** Rates since the previous call or over the in-call sample. */
  throughput: Throughput;
  /** Times. */
  timing: Timing;
}

/** One pool of a pooler. */
export interface PoolStatus {
  /** Server connections in use by a client. */
  active: number;
  /** The database's name at the pooler. */
  database: string;
  /** Server connections without a client. */
  idle: number;
  /** Wait of the first of them, milliseconds. */
  maxWait: number;
  /** `session`, `transaction` or `statement`. */
  mode: string;
  /** The role. */
  role: string;
  /** Maximum number of server connections; none when unlimited or unknown. */
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
  /** Kind: `pgbouncer`, `supabase` or `postgresql`. */
  kind: string;
  /** Wait of the first of them, milliseconds. */
  maxWait: number;
  /** Its pools, the longest queue first. */
  pools: PoolStatus[];
  /** Its connections to servers. */
  servers: number;
  /** Transactions, over all its databases. */
  transactionsPerSecond?: number | null;
  /** Its version as reported. */
  version?: string | null;
  /** Clients that wait for a server connection. */
  waiting: number;
}

/** One fresh connection: its times, or its error. */
export interface Probe {
  /** Milliseconds until the session was ready for queries. */
  connectMs?: number | null;
  /** The error, when there are no times. */
  error?: string | null;
  /** Milliseconds of one empty round trip. */
  roundTripMs?: number | null;
  /** The server's SQLSTATE for it. */
  sqlstate?: string | null;
}

/** Result of every action. */
export interface Report {
  /** The requested action. */
  action: string;
  /** Actions that were planned or executed. */
  actions: ActionRecord[];
  /** Server time from the first to the last answer, milliseconds. */
  analysisDuration: number;
  /** State for the next call: pass it back unchanged. */
  carry: unknown;
  /** Share of the server that the connected role could see. */
  coverage: Coverage;
  /** The same with identifier, severity, evidence and fix. */
  findings: Finding[];
  /** Health of sessions and fresh connections. */
  healthSummary: HealthSummary;
  /** Sessions that are probably leaked, with evidence. */
  leakDetection: LeakDetection;
  /** Values that were not measurable, with reasons. */
  notes: string[];
  /** Connections, rates and times. */
  poolStats: PoolStats;
  /** The findings' texts, worst first. */
  recommendations: string[];
  /** Target size of the pool, with reasons. */
  scaling: Scaling;
  /** The server's time of the snapshot, ISO 8601 UTC. */
  timestamp: string;
}

/** Target size of the pool, with reasons. */
export interface Scaling {
  /** Controller that executes the resize; `advice` when there is none. */
  controller: string;
  /** The pool's size now; without a pooler, the connected database's client sessions. */
  currentSize: number;
  /** Measured demand. */
  demand: Demand;
  /** The largest growth in one step, percent. */
  growthRate: number;
  /** Capacity of the server for the pool. */
  headroom: Headroom;
  /** The requested upper bound. */
  maxSize: number;
  /** The requested lower bound. */
  minSize: number;
  /** Reason for this target. */
  reason: string;
  /** The largest reduction in one step, percent. */
  shrinkRate: number;
  /** Target size of this step. */
  targetSize: number;
}

/** A selected session that an action leaves alone. */
export interface Spared {
  /** Process id. */
  pid: number;
  /** Reason for sparing it. */
  reason: string;
}

/** A count under a name. */
export interface Tally {
  /** Number of sessions. */
  count: number;
  /** The name; empty when the sessions set none. */
  name: string;
}

/** A session targeted by an action. */
export interface ActionTarget {
  /** Application name. */
  application: string;
  /** Client address. */
  client?: string | null;
  /** Detail from the host or the server. */
  detail?: string | null;
  /** Identity: `pid@backend_start`. */
  id: string;
  /** Milliseconds since it was last in use. */
  idleTime: number;
  /** `planned`, `ended`, `gone`, `changed`, `survived`, `denied`, `failed` or `not-executed`. */
  outcome: string;
  /** Process id. */
  pid: number;
  /** Reason for choosing it. */
  reason: string;
  /** Role name. */
  role: string;
  /** `state` when it was chosen. */
  state: string;
}

/** Path of a session through a pooler. */
export interface Through {
  /** The client that uses the connection; none when it is free or was just reassigned. */
  client?: ThroughClient | null;
  /** The pool's mode: `session`, `transaction` or `statement`. */
  mode: string;
  /** The pooler's kind. */
  pooler: string;
  /** The address that the server sees: the pooler's. */
  serverAddress?: string | null;
  /** `application_name` at the server: that of the last user of the connection. */
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
  /** Sessions lost because the client vanished. */
  abandonedPerSecond?: number | null;
  /** Sessions ended. */
  connectionsClosedPerSecond?: number | null;
  /** Sessions established. */
  connectionsCreatedPerSecond?: number | null;
  /** Transactions of the connected database. */
  requestsPerSecond?: number | null;
  /** Duration of the measurement, milliseconds. */
  windowMs?: number | null;
}

/** Times in milliseconds; null when not measured. */
export interface Timing {
  /** Mean time to open a connection, by this call's probes. */
  avgConnectionTime?: number | null;
  /** Mean execution time in the measured window, by `pg_stat_statements`. */
  avgQueryTime?: number | null;
  /** The longest present wait for a lock; 0 without waits. */
  maxWaitTime?: number | null;
}
