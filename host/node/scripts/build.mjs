// Builds the package: `node scripts/build.mjs [FOLDER]`, where FOLDER is what `archon-pool components FOLDER` wrote.
// With BLESS=1 it also writes `src/contract.ts` again.
//
// jco turns each component into a module and core WebAssembly, which go into dist/components with guard.json: who
// installs the package needs neither jco nor Rust.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { transpile } from "@bytecodealliance/jco";
import { contractTypes } from "./contract-types.mjs";

const WORLDS = ["pool-analyser", "pool-observer", "pool-manager"];

const root = fileURLToPath(new URL("..", import.meta.url));
const components = resolve(process.argv[2] ?? process.env.ARCHON_COMPONENTS ?? join(root, "components"));
const out = join(root, "dist", "components");

await rm(join(root, "dist"), { recursive: true, force: true });
const index = {};
for (const world of WORLDS) index[world] = await build(world);
await cp(join(components, "guard.json"), join(out, "guard.json"));
await writeFile(join(out, "index.json"), JSON.stringify(index));
const contract = join(root, "src", "contract.ts");
if (process.env.BLESS) await writeFile(contract, contractTypes(index["pool-manager"].description));
const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
process.exitCode = spawnSync(process.execPath, [compiler, "--project", root], { stdio: "inherit" }).status ?? 1;

async function build(world) {
  const file = join(components, `${world}.wasm`);
  const bytes = await readFile(file).catch(() => {
    throw new Error(`there is no ${file}: run \`archon-pool components ${components}\``);
  });
  const { files } = await transpile(bytes, { name: world, instantiation: "sync", minify: true });
  const written = Object.entries(files).filter(([path]) => /\.(js|wasm|d\.ts)$/.test(path));
  for (const [path, content] of written) {
    const file = join(out, world, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  const digests = written.filter(([path]) => !path.endsWith(".d.ts")).map(([path, content]) => [path, sha256(content)]);
  const description = await describe(
    world,
    written.map(([path]) => path).filter((path) => path.endsWith(".wasm")),
  );
  // What runs is these files: whoever has the component's digest is told by theirs that they are its own.
  return { sha256: sha256(bytes), files: Object.fromEntries(digests), description };
}

function sha256(content) {
  return createHash("sha256").update(content).digest("hex");
}

/** What a component says about itself. The analyser has no door for that. */
async function describe(world, cores) {
  if (world === "pool-analyser") return null;
  const { instantiate } = await import(pathToFileURL(join(out, world, `${world}.js`)));
  const modules = {};
  for (const file of cores) modules[file] = new WebAssembly.Module(await readFile(join(out, world, file)));
  // `describe` uses none of its imports.
  const lent = { Credential: class {}, Session: class {}, Console: class {} };
  for (const name of ["lookup", "probe", "deliver", "resize", "reconnect"]) lent[name] = () => {};
  const interfaces = ["types", "credentials", "database", "pooler", "backends", "scaling"];
  const imports = Object.fromEntries(interfaces.map((name) => [`archon:connection-pool/${name}`, lent]));
  const exports = instantiate((file) => modules[file], imports);
  return JSON.parse(exports["archon:connection-pool/skill@1.0.0"].describe());
}
