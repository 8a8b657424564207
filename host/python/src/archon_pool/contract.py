"""The contract's records, generated from `describe` by generate_contract.py. Do not edit."""

from __future__ import annotations

from typing import Any, Optional, TypedDict


class _Action(TypedDict):
    """Required fields of Action."""

    connectionsAffected: int
    """Number of ended sessions, or change of the pool's size."""

    dryRun: bool
    """True when it was only a plan."""

    executed: bool
    """True when anything was changed."""

    reason: str
    """Reason, and reason for not doing more."""

    targets: list[ActionTarget]
    """Each session with its outcome."""

    timestamp: str
    """Server time, ISO 8601 UTC."""

    type: str
    """`kill-idle`, `scale-up`, `scale-down`, `restart-broken` or `drain`."""


class Action(_Action, total=False):
    """An action that was planned or executed."""

    spared: list[Spared]
    """The sessions of `options.only` that are no targets, with reasons; left out without them."""


class _ActionTarget(TypedDict):
    """Required fields of ActionTarget."""

    application: str
    """Application name."""

    id: str
    """Identity: `pid@backend_start`."""

    idleTime: int
    """Milliseconds since it was last in use."""

    outcome: str
    """`planned`, `ended`, `gone`, `changed`, `survived`, `denied`, `failed` or `not-executed`."""

    pid: int
    """Process id."""

    reason: str
    """Reason for choosing it."""

    role: str
    """Role name."""

    state: str
    """`state` when it was chosen."""


class ActionTarget(_ActionTarget, total=False):
    """A session targeted by an action."""

    client: Optional[str]
    """Client address."""

    detail: Optional[str]
    """Detail from the host or the server."""


class Capacity(TypedDict):
    """The server's slots for client sessions."""

    max: int
    """`max_connections`."""

    reserved: int
    """`superuser_reserved_connections` + `reserved_connections`."""

    usable: int
    """Slots for ordinary roles."""

    used: int
    """Slots taken, ours and hidden sessions included."""


class Check(TypedDict):
    """Health of one session that is not healthy."""

    application: str
    """Application name."""

    id: str
    """Identity: `pid@backend_start`."""

    pid: int
    """Process id."""

    reason: str
    """Reason."""

    verdict: str
    """`broken`, `unhealthy` or `unknown`."""


class _ConnectionMetric(TypedDict):
    """Required fields of ConnectionMetric."""

    application: str
    """Application name."""

    confidence: int
    """Confidence of a leak, 0–100."""

    createdAt: str
    """Time at which the session was established, ISO 8601 UTC."""

    database: str
    """Database name."""

    duration: int
    """Milliseconds since it was established."""

    evidence: list[Evidence]
    """Evidence for a leak, strongest first, and after it evidence against one, with negative weights."""

    exclusions: list[str]
    """Reasons for excluding it."""

    id: str
    """Identity: `pid@backend_start`."""

    idleTime: int
    """Milliseconds since it was last in use; 0 while it is."""

    lastQuery: str
    """Its last statement with the literals removed."""

    pid: int
    """Process id."""

    role: str
    """Role name."""

    state: str
    """`state` as the server reports it."""


class ConnectionMetric(_ConnectionMetric, total=False):
    """One session with the evidence for and against a leak."""

    client: Optional[str]
    """Client address."""

    lastUsed: Optional[str]
    """Time at which the session was last in use, ISO 8601 UTC."""

    through: Optional[Through]
    """The pooler that it passes through: application and client are then those behind the pooler."""

    waitEvent: Optional[str]
    """Wait event: type and name."""


class Connections(TypedDict):
    """Client sessions by state, over all databases of the server, ours excluded."""

    aborted: int
    """Waiting for the rollback of a failed transaction."""

    active: int
    """Executing a statement, waiting ones included."""

    broken: int
    """Stuck: the client no longer reads, or an aborted transaction is idle for too long."""

    byApplication: list[Tally]
    """Sessions by application name, largest first."""

    byDatabase: list[Tally]
    """Sessions by database, largest first."""

    byRole: list[Tally]
    """Sessions by role, largest first."""

    capacity: Capacity
    """The server's slots."""

    idle: int
    """Waiting for a command outside a transaction."""

    idleInTransaction: int
    """Waiting for a command inside a transaction."""

    starting: int
    """Authenticating (PostgreSQL 18+)."""

    total: int
    """All visible client sessions."""

    unfinished: int
    """Active, but its client has not sent the rest of its statement for longer than `idleTimeoutMs`."""

    unknown: int
    """In an unknown state (`track_activities` off, or newer than this program)."""

    waiting: int
    """Waiting for a lock."""


class _Coverage(TypedDict):
    """Required fields of Coverage."""

    complete: bool
    """True when nothing was hidden."""

    hidden: int
    """Hidden sessions: an upper bound of the hidden client sessions."""

    percent: float
    """Seen among seen and hidden, percent."""

    seen: int
    """Client sessions that could be read, ours excluded."""


class Coverage(_Coverage, total=False):
    """Visible share of the server."""

    reason: Optional[str]
    """Reason for hidden sessions, and remedy."""


class _Demand(TypedDict):
    """Required fields of Demand."""

    active: int
    """Sessions executing now."""

    idleInTransaction: int
    """Sessions idle in a transaction now."""

    peak: float
    """The highest recent demand, from which the target is computed."""

    queued: int
    """Clients that wait for a server connection of the pooler now."""

    samples: int
    """Number of samples behind it."""

    waiting: int
    """Sessions of them waiting for a lock now."""


class Demand(_Demand, total=False):
    """Measured demand for sessions of the connected database."""

    meanConcurrency: Optional[float]
    """Mean sessions busy over the measured window (Little's law, from the server's time counters)."""


class Evidence(TypedDict):
    """One piece of evidence."""

    explanation: str
    """Its meaning, as text."""

    id: str
    """Kind of evidence."""

    value: str
    """The measured value."""

    weight: float
    """Contribution to the log-odds of a leak; negative for evidence against one."""


class Explanation(TypedDict):
    """Explanation of one session's confidence."""

    missing: list[str]
    """Information that is missing to be sure, and how it can be had."""

    prior: float
    """Log-odds of a leak without any evidence, to which the weights are added."""

    session: ConnectionMetric
    """The session, with all evidence for and against a leak."""

    suspected: bool
    """True if it is a suspect."""

    threshold: int
    """Confidence that a suspect has at least, 0–100."""


class _Fault(TypedDict):
    """Required fields of Fault."""

    kind: str
    """Kind of error; see [`kind`]."""

    message: str
    """One sentence for an operator, naming the setting to change."""

    retryable: bool
    """True when the same call may succeed later without any change."""


class Fault(_Fault, total=False):
    """An error: something could not be done."""

    sqlstate: Optional[str]
    """The server's SQLSTATE, where it came from a server."""


class Filter(TypedDict, total=False):
    """A filter of sessions. An empty list is ignored; the lists of an `include` are joined by "and", those of an
    `exclude` by "or"."""

    applications: list[str]
    """Application-name patterns: `*` stands for anything, `?` for one character."""

    databases: list[str]
    """Database names."""

    networks: list[str]
    """Client networks, such as `10.0.0.0/8`."""

    roles: list[str]
    """Role names."""


class _Finding(TypedDict):
    """Required fields of Finding."""

    evidence: list[str]
    """The measured value."""

    id: str
    """Kind of finding."""

    severity: str
    """`critical`, `warning` or `info`."""

    text: str
    """Problem and remedy, in one or two sentences."""


class Finding(_Finding, total=False):
    """One finding for an operator."""

    fix: Optional[Fix]
    """Remedy on this server."""


class _Fix(TypedDict):
    """Required fields of Fix."""

    by: str
    """Executor: `you` (the connected role), `administrator`, or `application` for code."""

    summary: str
    """Summary."""


class Fix(_Fix, total=False):
    """Remedy of a finding on this server."""

    sql: Optional[str]
    """SQL that is valid on this server."""


class _Group(TypedDict):
    """Required fields of Group."""

    application: str
    """Application name; where its sessions have several, `*` stands for what varies."""

    database: str
    """Database name."""

    idle: int
    """Number of idle sessions among them."""

    role: str
    """Role name."""

    sessions: int
    """Number of sessions."""

    suspected: int
    """Number of suspects among them."""


class Group(_Group, total=False):
    """The sessions of one pool: one database, role, application and client."""

    client: Optional[str]
    """Client address; none for local sockets."""

    growth: Optional[int]
    """Growth in sessions since the oldest call in `carry`."""

    medianIdle: Optional[int]
    """Median idle age now, milliseconds."""

    usualIdle: Optional[int]
    """The group's usual idle age, milliseconds: the median over at least three earlier calls."""


class Headroom(TypedDict):
    """Capacity of the server for the pool."""

    available: int
    """The largest size that the pool can have."""

    others: int
    """Slots taken by sessions outside the pool."""

    usable: int
    """Slots for ordinary roles on this server and in this database."""


class _HealthSummary(TypedDict):
    """Required fields of HealthSummary."""

    checks: list[Check]
    """The sessions that are not healthy, broken ones first. Healthy ones are counted only."""

    failureRate: float
    """Unhealthy among checked, percent."""

    healthy: int
    """Healthy ones."""

    probes: list[Probe]
    """The fresh connections."""

    totalChecked: int
    """Checked sessions and probed connections."""

    unhealthy: int
    """Unhealthy ones."""


class HealthSummary(_HealthSummary, total=False):
    """Health of sessions and fresh connections."""

    avgLatency: Optional[float]
    """Mean round trip of the probes, milliseconds."""


class _LeakDetection(TypedDict):
    """Required fields of LeakDetection."""

    confidence: int
    """The highest confidence among all scored sessions, 0–100."""

    coverage: Coverage
    """Share of the server that was visible; without full coverage there is no verdict."""

    detected: bool
    """True when any session reached the threshold."""

    excludedConnections: list[ConnectionMetric]
    """Sessions that would have reached it, but are excluded, with reasons."""

    groups: list[Group]
    """The sessions by (role, application, client)."""

    recommendation: str
    """Recommended action."""

    suspectedConnections: list[ConnectionMetric]
    """The sessions that did, by falling confidence."""

    totalSuspected: int
    """Number of suspects."""


class LeakDetection(_LeakDetection, total=False):
    """Sessions that are probably leaked, with evidence."""

    explained: list[Explanation]
    """The sessions that `options.explain` names, suspected or not; left out without them."""


class Options(TypedDict, total=False):
    """Thresholds, bounds and filters; an absent one takes its default."""

    allowAutoScaling: Optional[bool]
    """False: compute the target size, resize nothing. Default true."""

    dryRun: Optional[bool]
    """Plan, signal nothing. Default false."""

    exclude: Optional[Filter]
    """Never score or end sessions that match."""

    explain: Optional[list[int]]
    """Process ids of sessions whose confidence is to be explained, suspected or not: at most 20."""

    growthRate: Optional[int]
    """Largest growth in one step, percent. Default 20, 1–100."""

    healthCheckInterval: Optional[int]
    """Interval of probes in watch mode, milliseconds. Default 30000, at least 1000."""

    idleInTransactionTimeoutMs: Optional[int]
    """A session idle in a transaction for longer may be ended, milliseconds. Default 60000, at least 1000."""

    idleTimeoutMs: Optional[int]
    """An idle session older than this may be ended, milliseconds. Default 300000, at least 10000."""

    include: Optional[Filter]
    """Score and end only sessions that match."""

    leakDetectionThreshold: Optional[int]
    """Confidence from which a session is a suspect, percent. Default 80, 0–100."""

    maxConnectionAge: Optional[int]
    """Older sessions are reported as over-age, milliseconds. Default 3600000, at least 60000."""

    maxKillPercentage: Optional[int]
    """Cap on ended sessions, percent of the killable and of all client sessions, the smaller, rounded down.
    Default 25, 0–100."""

    maxSize: Optional[int]
    """Upper bound of the pool. Default 100, at least `minSize`."""

    minSize: Optional[int]
    """Lower bound of the pool. Default 5, at least 1."""

    only: Optional[list[SessionKey]]
    """End only these sessions, each by pid and start: at most 1000. The caps are the same; the report has the
    reason for each that is spared. An empty list selects none."""

    sampleMs: Optional[int]
    """In-call sampling for rates when there is no `carry`, milliseconds. Default 1000, 0–10000."""

    shrinkRate: Optional[int]
    """Largest reduction in one step, percent. Default 15, 1–100."""


class _PoolStats(TypedDict):
    """Required fields of PoolStats."""

    connections: Connections
    """Client sessions by state."""

    throughput: Throughput
    """Rates since the previous call or over the in-call sample."""

    timing: Timing
    """Times."""


class PoolStats(_PoolStats, total=False):
    """Connections, rates and times."""

    pooler: Optional[PoolerStats]
    """The pooler's side; none without a console."""


class _PoolStatus(TypedDict):
    """Required fields of PoolStatus."""

    active: int
    """Server connections in use by a client."""

    database: str
    """The database's name at the pooler."""

    idle: int
    """Server connections without a client."""

    maxWait: float
    """Wait of the first of them, milliseconds."""

    mode: str
    """`session`, `transaction` or `statement`."""

    role: str
    """The role."""

    waiting: int
    """Clients that wait for one."""


class PoolStatus(_PoolStatus, total=False):
    """One pool of a pooler."""

    size: Optional[int]
    """Maximum number of server connections; none when unlimited or unknown."""


class _PoolerStats(TypedDict):
    """Required fields of PoolerStats."""

    clients: int
    """Applications' connections to it."""

    kind: str
    """Kind: `pgbouncer`, `supabase` or `postgresql`."""

    maxWait: float
    """Wait of the first of them, milliseconds."""

    pools: list[PoolStatus]
    """Its pools, the longest queue first."""

    servers: int
    """Its connections to servers."""

    waiting: int
    """Clients that wait for a server connection."""


class PoolerStats(_PoolerStats, total=False):
    """A pooler's side of the pool."""

    avgWaitTime: Optional[float]
    """Mean time that a transaction waited for its server connection, milliseconds."""

    transactionsPerSecond: Optional[float]
    """Transactions, over all its databases."""

    version: Optional[str]
    """Its version as reported."""


class Probe(TypedDict, total=False):
    """One fresh connection: its times, or its error."""

    connectMs: Optional[float]
    """Milliseconds until the session was ready for queries."""

    error: Optional[str]
    """The error, when there are no times."""

    roundTripMs: Optional[float]
    """Milliseconds of one empty round trip."""

    sqlstate: Optional[str]
    """The server's SQLSTATE for it."""


class Report(TypedDict):
    """Result of every action."""

    action: str
    """The requested action."""

    actions: list[Action]
    """Actions that were planned or executed."""

    analysisDuration: int
    """Server time from the first to the last answer, milliseconds."""

    carry: Any
    """State for the next call: pass it back unchanged."""

    coverage: Coverage
    """Share of the server that the connected role could see."""

    findings: list[Finding]
    """The same with identifier, severity, evidence and fix."""

    healthSummary: HealthSummary
    """Health of sessions and fresh connections."""

    leakDetection: LeakDetection
    """Sessions that are probably leaked, with evidence."""

    notes: list[str]
    """Values that were not measurable, with reasons."""

    poolStats: PoolStats
    """Connections, rates and times."""

    recommendations: list[str]
    """The findings' texts, worst first."""

    scaling: Scaling
    """Target size of the pool, with reasons."""

    timestamp: str
    """The server's time of the snapshot, ISO 8601 UTC."""


class Scaling(TypedDict):
    """Target size of the pool, with reasons."""

    controller: str
    """Controller that executes the resize; `advice` when there is none."""

    currentSize: int
    """The pool's size now; without a pooler, the connected database's client sessions."""

    demand: Demand
    """Measured demand."""

    growthRate: int
    """The largest growth in one step, percent."""

    headroom: Headroom
    """Capacity of the server for the pool."""

    maxSize: int
    """The requested upper bound."""

    minSize: int
    """The requested lower bound."""

    reason: str
    """Reason for this target."""

    shrinkRate: int
    """The largest reduction in one step, percent."""

    targetSize: int
    """Target size of this step."""


class SessionKey(TypedDict):
    """A backend's identity."""

    backendStart: int
    """`backend_start`, microseconds since 1970."""

    pid: int
    """Process id."""


class Spared(TypedDict):
    """A selected session that an action leaves alone."""

    pid: int
    """Process id."""

    reason: str
    """Reason for sparing it."""


class Tally(TypedDict):
    """A count under a name."""

    count: int
    """Number of sessions."""

    name: str
    """The name; empty when the sessions set none."""


class _Through(TypedDict):
    """Required fields of Through."""

    mode: str
    """The pool's mode: `session`, `transaction` or `statement`."""

    pooler: str
    """The pooler's kind."""

    serverApplication: str
    """`application_name` at the server: that of the last user of the connection."""


class Through(_Through, total=False):
    """Path of a session through a pooler."""

    client: Optional[ThroughClient]
    """The client that uses the connection; none when it is free or was just reassigned."""

    serverAddress: Optional[str]
    """The address that the server sees: the pooler's."""


class _ThroughClient(TypedDict):
    """Required fields of ThroughClient."""

    port: int
    """Its port at the pooler."""


class ThroughClient(_ThroughClient, total=False):
    """The application behind a pooled session."""

    id: Optional[str]
    """Its number at the pooler, for `KILL_CLIENT` (PgBouncer 1.24+)."""


class Throughput(TypedDict, total=False):
    """Rates per second; null when not measurable, with the reason in the notes."""

    abandonedPerSecond: Optional[float]
    """Sessions lost because the client vanished."""

    connectionsClosedPerSecond: Optional[float]
    """Sessions ended."""

    connectionsCreatedPerSecond: Optional[float]
    """Sessions established."""

    requestsPerSecond: Optional[float]
    """Transactions of the connected database."""

    windowMs: Optional[int]
    """Duration of the measurement, milliseconds."""


class Timing(TypedDict, total=False):
    """Times in milliseconds; null when not measured."""

    avgConnectionTime: Optional[float]
    """Mean time to open a connection, by this call's probes."""

    avgQueryTime: Optional[float]
    """Mean execution time in the measured window, by `pg_stat_statements`."""

    maxWaitTime: Optional[float]
    """The longest present wait for a lock; 0 without waits."""


class SkillInput(TypedDict, total=False):
    """Action, credential and options: SkillInput without the fields for the host alone."""

    action: Optional[str]
    """One of the six actions; `full-analysis` when absent."""

    carry: Any
    """State that the previous report returned."""

    credential: Optional[str]
    """Name of a credential that the host holds; the host's default when absent."""

    options: Options
    """Thresholds, bounds and filters."""

    supabaseKey: str
    """What opens supabaseUrl. For the host alone, which keeps it and passes the rest on."""

    supabaseUrl: str
    """https://<ref>.supabase.co, or a postgres:// URL. For the host alone, which resolves it."""


class _SkillOutput(TypedDict):
    """Required fields of SkillOutput."""

    duration: int
    """Server time from the first to the last answer, milliseconds; 0 when no server answered."""

    skill: str
    """The skill's name."""

    success: bool
    """True when the action was executed."""

    version: str
    """The contract's version."""


class SkillOutput(_SkillOutput, total=False):
    """SkillOutput: the result of `skill.run`."""

    data: Optional[Report]
    """The report, when it was."""

    error: Optional[Fault]
    """The fault, when it was not."""

    timestamp: Optional[str]
    """The server's time, ISO 8601 UTC; none when no server answered."""
