"""The contract's records, generated from `describe` by generate_contract.py. Do not edit."""

from __future__ import annotations

from typing import Any, Optional, TypedDict


class Action(TypedDict):
    """Something that was planned or done."""

    connectionsAffected: int
    """How many sessions were really ended, or by how many the pool changed."""

    dryRun: bool
    """Whether it was only a plan."""

    executed: bool
    """Whether anything was really changed."""

    reason: str
    """Why, and why not more."""

    targets: list[ActionTarget]
    """Each session with its outcome."""

    timestamp: str
    """Server time, ISO 8601 UTC."""

    type: str
    """`kill-idle`, `scale-up`, `scale-down`, `restart-broken` or `drain`."""


class _ActionTarget(TypedDict):
    """What every ActionTarget has."""

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
    """Why it was chosen."""

    role: str
    """Role name."""

    state: str
    """`state` when it was chosen."""


class ActionTarget(_ActionTarget, total=False):
    """A session that an action aims at."""

    client: Optional[str]
    """Client address."""

    detail: Optional[str]
    """What the host or the server said about it."""


class Capacity(TypedDict):
    """The server's slots for client sessions."""

    max: int
    """`max_connections`."""

    reserved: int
    """`superuser_reserved_connections` + `reserved_connections`."""

    usable: int
    """What ordinary roles can use."""

    used: int
    """Slots taken, ours and hidden sessions included."""


class Check(TypedDict):
    """The verdict on one session."""

    application: str
    """Application name."""

    id: str
    """Identity: `pid@backend_start`."""

    pid: int
    """Process id."""

    reason: str
    """Why."""

    verdict: str
    """`healthy`, `unhealthy`, `broken` or `unknown`."""


class _ConnectionMetric(TypedDict):
    """What every ConnectionMetric has."""

    application: str
    """Application name."""

    confidence: int
    """How sure the verdict is, 0–100."""

    createdAt: str
    """When the session was established, ISO 8601 UTC."""

    database: str
    """Database name."""

    duration: int
    """Milliseconds since it was established."""

    evidence: list[Evidence]
    """What speaks for a leak, strongest first."""

    exclusions: list[str]
    """What speaks against judging it at all."""

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
    """One session and what speaks for and against its being leaked."""

    client: Optional[str]
    """Client address."""

    lastUsed: Optional[str]
    """When the session was last in use, ISO 8601 UTC."""

    through: Optional[Through]
    """The pooler that it passes through: application and client are the real ones then."""

    waitEvent: Optional[str]
    """What it waits for: type and event."""


class Connections(TypedDict):
    """Client sessions by state, over all databases of the server, ours excluded."""

    aborted: int
    """Waiting for the rollback of a failed transaction."""

    active: int
    """Executing a statement, waiting ones included."""

    broken: int
    """Stuck: the client no longer reads, or an aborted transaction fell silent."""

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
    """In a state that cannot be judged (`track_activities` off, or newer than this program)."""

    waiting: int
    """Waiting for a lock."""


class _Coverage(TypedDict):
    """What every Coverage has."""

    complete: bool
    """Whether nothing was hidden."""

    hidden: int
    """Sessions that could not: at most this many are client sessions."""

    percent: float
    """Seen among seen and hidden, percent."""

    seen: int
    """Client sessions that could be read, ours excluded."""


class Coverage(_Coverage, total=False):
    """How much of the server could be seen."""

    reason: Optional[str]
    """What hides the rest and what would show it."""


class _Demand(TypedDict):
    """What every Demand has."""

    active: int
    """Sessions executing now."""

    idleInTransaction: int
    """Sessions idle in a transaction now."""

    peak: float
    """The demand that the target follows: the highest of the recent moments."""

    queued: int
    """Clients that wait for a server connection of the pooler now."""

    samples: int
    """How many moments that rests on."""

    waiting: int
    """Sessions of them waiting for a lock now."""


class Demand(_Demand, total=False):
    """Measured demand for sessions of the connected database."""

    meanConcurrency: Optional[float]
    """Mean sessions busy over the measured window (Little's law, from the server's time counters)."""


class Evidence(TypedDict):
    """One piece of evidence."""

    explanation: str
    """What it means, for a reader."""

    id: str
    """Which kind of evidence."""

    value: str
    """What was measured."""

    weight: float
    """What it adds to the log-odds of a leak."""


class _Fault(TypedDict):
    """What every Fault has."""

    kind: str
    """What kind of trouble; see [`kind`]."""

    message: str
    """One sentence for an operator, naming the setting to change."""

    retryable: bool
    """Whether the same call may succeed later without anything being changed."""


class Fault(_Fault, total=False):
    """Why something could not be done."""

    sqlstate: Optional[str]
    """The server's SQLSTATE, where it came from a server."""


class Filter(TypedDict, total=False):
    """Which sessions. A list that is empty matches nothing by itself; the lists of an `include` are joined by
    "and", those of an `exclude` by "or"."""

    applications: list[str]
    """Application-name patterns: `*` stands for anything, `?` for one character."""

    databases: list[str]
    """Database names."""

    networks: list[str]
    """Client networks, such as `10.0.0.0/8`."""

    roles: list[str]
    """Role names."""


class _Finding(TypedDict):
    """What every Finding has."""

    evidence: list[str]
    """What was measured."""

    id: str
    """Which kind of finding."""

    severity: str
    """`critical`, `warning` or `info`."""

    text: str
    """What is wrong and what to do, in one sentence or two."""


class Finding(_Finding, total=False):
    """One thing that an operator should know."""

    fix: Optional[Fix]
    """How to mend it on this server."""


class _Fix(TypedDict):
    """What every Fix has."""

    by: str
    """Who can run it: `you` (the connected role), `administrator`, or `application` for code."""

    summary: str
    """What to do."""


class Fix(_Fix, total=False):
    """How to mend a finding on this server."""

    sql: Optional[str]
    """SQL that is valid on this server."""


class _Group(TypedDict):
    """What every Group has."""

    application: str
    """Application name; where its sessions have several, `*` stands for what varies."""

    database: str
    """Database name."""

    idle: int
    """How many of them are idle."""

    role: str
    """Role name."""

    sessions: int
    """How many sessions."""

    suspected: int
    """How many of them are suspected."""


class Group(_Group, total=False):
    """The sessions of one pool: one database, role, application and client."""

    client: Optional[str]
    """Client address; none for local sockets."""

    growth: Optional[int]
    """By how many sessions it grew since the oldest remembered call."""

    medianIdle: Optional[int]
    """Median idle age now, milliseconds."""

    usualIdle: Optional[int]
    """The group's usual idle age, milliseconds: the median over at least three earlier calls."""


class Headroom(TypedDict):
    """What the server has left for the pool."""

    available: int
    """The largest size that the pool can have."""

    others: int
    """Slots taken by sessions outside the pool."""

    usable: int
    """What ordinary roles can use on this server and in this database."""


class _HealthSummary(TypedDict):
    """What every HealthSummary has."""

    checks: list[Check]
    """The sessions, unhealthy first."""

    failureRate: float
    """Unhealthy among checked, percent."""

    healthy: int
    """In good order."""

    probes: list[Probe]
    """The fresh connections."""

    totalChecked: int
    """Sessions judged and connections probed."""

    unhealthy: int
    """Not in good order."""


class HealthSummary(_HealthSummary, total=False):
    """Which sessions and fresh connections are in good order."""

    avgLatency: Optional[float]
    """Mean round trip of the probes, milliseconds."""


class LeakDetection(TypedDict):
    """Which sessions are probably leaked, and why."""

    confidence: int
    """The highest confidence among all judged sessions, 0–100."""

    coverage: Coverage
    """On how much of the server the verdict rests; without full coverage there is none."""

    detected: bool
    """Whether any session reached the threshold."""

    excludedConnections: list[ConnectionMetric]
    """Sessions that would have reached it, but are excluded for the reasons they carry."""

    groups: list[Group]
    """The sessions by (role, application, client)."""

    recommendation: str
    """What to do about it."""

    suspectedConnections: list[ConnectionMetric]
    """The sessions that did, surest first."""

    totalSuspected: int
    """How many are suspected."""


class Options(TypedDict, total=False):
    """The options as a caller writes them: each may be absent."""

    allowAutoScaling: Optional[bool]
    """False: compute the target size, resize nothing. Default true."""

    dryRun: Optional[bool]
    """Plan, signal nothing. Default false."""

    exclude: Optional[Filter]
    """Never judge or end sessions that match."""

    growthRate: Optional[int]
    """Largest growth in one step, percent. Default 20, 1–100."""

    healthCheckInterval: Optional[int]
    """How often the host repeats probes in watch mode, milliseconds. Default 30000, at least 1000."""

    idleInTransactionTimeoutMs: Optional[int]
    """A session idle in a transaction for longer may be ended, milliseconds. Default 60000, at least 1000."""

    idleTimeoutMs: Optional[int]
    """An idle session older than this may be ended, milliseconds. Default 300000, at least 10000."""

    include: Optional[Filter]
    """Judge and end only sessions that match."""

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

    sampleMs: Optional[int]
    """In-call sampling for rates when there is no `carry`, milliseconds. Default 1000, 0–10000."""

    shrinkRate: Optional[int]
    """Largest reduction in one step, percent. Default 15, 1–100."""


class _PoolStats(TypedDict):
    """What every PoolStats has."""

    connections: Connections
    """Client sessions by state."""

    throughput: Throughput
    """Rates since the previous call or over the in-call sample."""

    timing: Timing
    """Times."""


class PoolStats(_PoolStats, total=False):
    """Connections, rates and times."""

    pooler: Optional[PoolerStats]
    """What the pooler says of its side; none without a console."""


class _PoolStatus(TypedDict):
    """What every PoolStatus has."""

    active: int
    """Server connections that a client has."""

    database: str
    """The database's name at the pooler."""

    idle: int
    """Server connections that nobody has."""

    maxWait: float
    """For how long the first of them has waited, milliseconds."""

    mode: str
    """`session`, `transaction` or `statement`."""

    role: str
    """The role."""

    waiting: int
    """Clients that wait for one."""


class PoolStatus(_PoolStatus, total=False):
    """One pool of a pooler."""

    size: Optional[int]
    """How many server connections it may have; none when unlimited or not known."""


class _PoolerStats(TypedDict):
    """What every PoolerStats has."""

    clients: int
    """Applications' connections to it."""

    kind: str
    """What it is: `pgbouncer`, `supabase` or `postgresql`."""

    maxWait: float
    """For how long the first of them has waited, milliseconds."""

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
    """Its version as it tells it."""


class Probe(TypedDict, total=False):
    """One fresh connection: its times, or what went wrong."""

    connectMs: Optional[float]
    """Milliseconds until the session was ready for queries."""

    error: Optional[str]
    """Why there is no time."""

    roundTripMs: Optional[float]
    """Milliseconds of one empty round trip."""

    sqlstate: Optional[str]
    """The server's SQLSTATE for it."""


class Report(TypedDict):
    """The answer to every action."""

    action: str
    """The action that was asked for."""

    actions: list[Action]
    """What was planned or done."""

    analysisDuration: int
    """Server time from the first to the last answer, milliseconds."""

    carry: Any
    """Memory for the next call: hand it back unchanged."""

    coverage: Coverage
    """How much of the server the connected role could see."""

    findings: list[Finding]
    """The same with identifier, severity, evidence and fix."""

    healthSummary: HealthSummary
    """Which sessions and fresh connections are in good order."""

    leakDetection: LeakDetection
    """Which sessions are probably leaked, and why."""

    notes: list[str]
    """What was not measurable, and why."""

    poolStats: PoolStats
    """Connections, rates and times."""

    recommendations: list[str]
    """The findings' texts, worst first."""

    scaling: Scaling
    """How large the pool should be, and why."""

    timestamp: str
    """The server's time of the snapshot, ISO 8601 UTC."""


class Scaling(TypedDict):
    """How large the pool should be, and why."""

    controller: str
    """What would carry the resize out; `advice` when nothing can."""

    currentSize: int
    """The pool's size now; without a pooler, the connected database's client sessions."""

    demand: Demand
    """What the target follows."""

    growthRate: int
    """The largest growth in one step, percent."""

    headroom: Headroom
    """What the server has left for the pool."""

    maxSize: int
    """The upper bound asked for."""

    minSize: int
    """The lower bound asked for."""

    reason: str
    """Why this target."""

    shrinkRate: int
    """The largest reduction in one step, percent."""

    targetSize: int
    """The size to go to in this step."""


class Tally(TypedDict):
    """A count under a name."""

    count: int
    """How many."""

    name: str
    """What is counted; empty when the sessions set no name."""


class _Through(TypedDict):
    """What every Through has."""

    mode: str
    """The pool's mode: `session`, `transaction` or `statement`."""

    pooler: str
    """The pooler's kind."""

    serverApplication: str
    """`application_name` as the server has it: of whoever used the connection last."""


class Through(_Through, total=False):
    """How a session passes through a pooler."""

    client: Optional[ThroughClient]
    """The application that has the connection; none when it is free or was just passed on."""

    serverAddress: Optional[str]
    """The address that the server sees: the pooler's."""


class _ThroughClient(TypedDict):
    """What every ThroughClient has."""

    port: int
    """Its port at the pooler."""


class ThroughClient(_ThroughClient, total=False):
    """The application behind a pooled session."""

    id: Optional[str]
    """Its number at the pooler, for `KILL_CLIENT` (PgBouncer 1.24+)."""


class Throughput(TypedDict, total=False):
    """Rates per second; null when not measurable, with the reason in the notes."""

    abandonedPerSecond: Optional[float]
    """Sessions whose client vanished."""

    connectionsClosedPerSecond: Optional[float]
    """Sessions ended."""

    connectionsCreatedPerSecond: Optional[float]
    """Sessions established."""

    requestsPerSecond: Optional[float]
    """Transactions of the connected database."""

    windowMs: Optional[int]
    """Over how long the rates were measured, milliseconds."""


class Timing(TypedDict, total=False):
    """Times in milliseconds; null when not measured."""

    avgConnectionTime: Optional[float]
    """Mean time to open a connection, by this call's probes."""

    avgQueryTime: Optional[float]
    """Mean execution time in the measured window, by `pg_stat_statements`."""

    maxWaitTime: Optional[float]
    """The longest present wait for a lock; 0 when nobody waits."""


class SkillInput(TypedDict, total=False):
    """What to do, to which database (SkillInput without what only the host may see)."""

    action: Optional[str]
    """One of the six actions; `full-analysis` when absent."""

    carry: Any
    """What the previous report returned."""

    credential: Optional[str]
    """Name of a credential that the host holds; the host's default when absent."""

    options: Options
    """Thresholds, bounds and filters."""

    supabaseKey: str
    """What opens supabaseUrl. For the host alone, which keeps it and passes the rest on."""

    supabaseUrl: str
    """https://<ref>.supabase.co, or a postgres:// URL. For the host alone, which resolves it."""


class _SkillOutput(TypedDict):
    """What every SkillOutput has."""

    duration: int
    """Server time from the first to the last answer, milliseconds; 0 when no server answered."""

    skill: str
    """The skill's name."""

    success: bool
    """Whether the action was done."""

    version: str
    """The contract's version."""


class SkillOutput(_SkillOutput, total=False):
    """SkillOutput: what the JSON door answers."""

    data: Optional[Report]
    """The report, when it was."""

    error: Optional[Fault]
    """The fault, when it was not."""

    timestamp: Optional[str]
    """The server's time, ISO 8601 UTC; none when no server answered."""
