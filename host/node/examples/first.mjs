// What a pool looks like now: DATABASE_URL=postgres://… node first.mjs
import { SupabaseConnectionPool } from "archon-connection-pool";

const pool = new SupabaseConnectionPool({ readOnly: true });
const { data, error } = await pool.run({ action: "full-analysis" });
if (error) throw new Error(`${error.kind}: ${error.message}`);

const { capacity, byApplication } = data.poolStats.connections;
console.log(`${capacity.used} of ${capacity.usable} usable connections are taken`);
for (const { name, count } of byApplication) console.log(`  ${count} by ${name || "(no name)"}`);
for (const text of data.recommendations) console.log(`- ${text}`);
