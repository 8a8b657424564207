// Connection pool management for PostgreSQL, PgBouncer and Supabase.

export type { AuditRecord } from "./audit.js";
export { Cassette } from "./cassette/replayer.js";
export type { Description } from "./components.js";
export type { Consent, Decision, Proposal } from "./consent.js";
export type * from "./contract.js";
export type { CredentialEntry } from "./credentials.js";
export { Fault, type FaultRecord } from "./fault.js";
export type { Order } from "./guard/order.js";
export { DEFAULT_POLICY, type Policy } from "./guard/policy.js";
export { type CallAnswer, Host, type HostOptions } from "./host.js";
export { DEFAULT_LIMITS, type Limits } from "./limits.js";
export { jsonLines, type Logger, type LogLine } from "./log.js";
export { type Attempt, getSkillRegistry, type Skill, type SkillEvents, SkillRegistry } from "./registry.js";
export { type SkillOptions, SupabaseConnectionPool } from "./skill.js";
