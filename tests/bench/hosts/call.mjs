// One analysis of DATABASE_URL for each line of the standard input: node call.mjs FOLDER-OF-THE-PACKAGE
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { SupabaseConnectionPool } = await import(pathToFileURL(`${process.argv[2]}/dist/index.js`));
const pool = new SupabaseConnectionPool({ readOnly: true });
for await (const _ of createInterface({ input: process.stdin })) {
  const { error } = await pool.run({ action: "detect-leaks", options: { sampleMs: 0 } });
  console.log(error ? JSON.stringify(error) : "report");
}
