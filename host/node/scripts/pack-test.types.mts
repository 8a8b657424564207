// What a strict TypeScript project writes with the package. Compiled by pack-test.mjs, and never run.

import {
  type ActionName,
  Fault,
  getSkillRegistry,
  type PoolStats,
  type SkillInput,
  type SkillOutput,
  SupabaseConnectionPool,
} from "archon-connection-pool";

const pool = new SupabaseConnectionPool({
  credentials: { default: "postgres://u@h/d" },
  limits: { deadlineMs: 5_000 },
});
pool.on("complete", ({ skill, result }) => console.log(skill, result.data?.poolStats.connections.total));
getSkillRegistry()
  .register(pool)
  .on("error", ({ error }) => console.log(error.kind));

const action: ActionName = "kill-idle";
const input: SkillInput = { action, options: { dryRun: true, maxKillPercentage: 10, include: { roles: ["app"] } } };
const output: SkillOutput = await getSkillRegistry().execute("supabase-connection-pool", input);
const targets: number[] | undefined = output.data?.actions.flatMap(({ targets }) => targets.map(({ pid }) => pid));
const stats: PoolStats = await pool.quickPoolStatus({ supabaseUrl: "https://abcdefghijklmnopqrst.supabase.co" });
// @ts-expect-error There is no such action.
await pool.run({ action: "kill-everything" });
if (output.error) throw Fault.from(output.error);
console.log(targets, stats.timing.avgQueryTime);
