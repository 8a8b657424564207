// Pages for the tests, written by the program from answers and cassettes.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const program = process.env.ARCHON_POOL_PROGRAM;
const source = process.env.ARCHON_SOURCE;

/** Where pages, pictures and PDFs are written. */
export const folder = process.env.ARCHON_SHOWN;
mkdirSync(folder, { recursive: true });

/** The text in every field of the hostile page. */
export const HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)><style>*{display:none}</style>";

// The statuses for healthy and for findings.
function run(...words) {
  try {
    return execFileSync(program, words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 28 });
  } catch (error) {
    if (error.status === 1) return error.stdout;
    throw new Error(`archon-pool ${words.join(" ")}: ${error.stderr ?? error}`);
  }
}

/** Returns the report of the snapshot with every finding. */
function analysed() {
  const components = join(folder, "components");
  run("components", components);
  const snapshot = JSON.parse(readFileSync(join(source, "tests/fixtures/snapshot.json"), "utf8"));
  const input = join(folder, "input.json");
  writeFileSync(input, JSON.stringify({ snapshot, options: { idleTimeoutMs: 60000 } }));
  return JSON.parse(run("run", join(components, "pool-analyser.wasm"), "--params", `@${input}`, "--json"));
}

/** Varies a report over 40 rounds of ten seconds, with evidence against leaks. */
function rounds(report) {
  const first = Date.parse("2026-11-29T21:00:00Z");
  return Array.from({ length: 40 }, (_, round) => {
    const copy = structuredClone(report);
    copy.timestamp = new Date(first + 10_000 * round).toISOString();
    const { connections, throughput } = copy.poolStats;
    connections.capacity.used += round;
    connections.idle += round;
    connections.active += round % 7;
    throughput.requestsPerSecond = 100 + 40 * Math.sin(round / 4);
    const { suspectedConnections } = copy.leakDetection;
    copy.leakDetection.totalSuspected = Math.min(round, suspectedConnections.length);
    for (const { evidence } of suspectedConnections) {
      const explanation = "a session that its application still uses has one";
      evidence.push({ id: "used-since", weight: -0.7, value: "used 2 times in the last 10 rounds", explanation });
    }
    return copy;
  });
}

/** Sets every text of a value, but for those that the program interprets. */
function poisoned(value, key) {
  if (typeof value === "string") return ["action", "timestamp", "controller"].includes(key) ? value : HOSTILE;
  if (Array.isArray(value)) return value.map((item) => poisoned(item, key));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, poisoned(field, name)]));
}

function write(name, ...words) {
  const path = join(folder, `${name}.html`);
  run("report", "--quiet", "--html", path, ...words);
  return { name, path };
}

function stored(name, reports) {
  const path = join(folder, `${name}.jsonl`);
  writeFileSync(path, reports.map((report) => JSON.stringify(report)).join("\n"));
  return write(name, "--from", path);
}

/** Writes the pages and returns their names and paths. */
export function pages() {
  const report = analysed();
  const replayed = (name, cassette) => write(name, "--replay", join(source, "tests/conformance/cases", cassette));
  return [
    stored("findings", rounds(report)),
    stored("hostile", [poisoned(report), poisoned(report)]),
    replayed("healthy", "full-analysis.jsonl"),
    replayed("locks", "monitor.jsonl"),
    replayed("plan", "kill-idle.jsonl"),
    replayed("scaling", "auto-scale.jsonl"),
    replayed("odd-text", "invalid-text.jsonl"),
  ];
}
