// Packs the package, installs it into an empty project, and runs the first example there against a private server:
// without Rust and without jco.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const project = mkdtempSync(join(tmpdir(), "archon-pool-empty-"));
const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
try {
  const [{ filename, size, entryCount }] = JSON.parse(npm(root, "pack", "--json", "--pack-destination", project));
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  npm(project, "install", ...quiet, `./${filename}`, "typescript@7", "@types/node@20");
  for (const stranger of ["@bytecodealliance/jco", "@bytecodealliance"]) {
    if (existsSync(join(project, "node_modules", stranger))) throw new Error(`it brought ${stranger} along`);
  }
  copyFileSync(join(root, "examples", "first.mjs"), join(project, "first.mjs"));
  // Its types are good enough for a strict project.
  copyFileSync(join(root, "scripts", "pack-test.types.mts"), join(project, "types.mts"));
  const strict = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--types", "node"];
  execFileSync(join(project, "node_modules", ".bin", "tsc"), [...strict, "types.mts"], {
    cwd: project,
    stdio: "inherit",
  });
  const { Cluster } = await import("../build/cluster.js");
  const cluster = await Cluster.start();
  try {
    const env = { ...process.env, DATABASE_URL: cluster.url() };
    const said = execFileSync(process.execPath, ["first.mjs"], { cwd: project, env, encoding: "utf8" });
    if (!/usable connections are taken/.test(said)) throw new Error(`the first example said: ${said}`);
  } finally {
    await cluster.stop();
  }
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  console.log(`${filename}: ${size} bytes, ${entryCount} files; version ${version} works in an empty project`);
} finally {
  rmSync(project, { recursive: true, force: true });
}
// The cluster's folder goes when this process ends.
process.exit(0);

function npm(cwd, ...args) {
  return execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}
