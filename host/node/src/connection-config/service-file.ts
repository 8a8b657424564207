// Service files: named settings in `~/.pg_service.conf` and the system's `pg_service.conf`.

import { join } from "node:path";
import { Fault } from "../fault.js";
import { readSmallFile } from "./files.js";
import { setParameter } from "./parameters.js";
import type { Parts } from "./parts.js";

/** Default folders of the system's file: Debian, Red Hat and PostgreSQL's own builds. PGSYSCONFDIR overrides them. */
const SYSTEM = ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/usr/local/pgsql/etc"];

/** Locations of service files. */
export interface ServiceFiles {
  /** Named by the connection or PGSERVICEFILE, instead of the user's own. */
  named?: string | undefined;
  home?: string | undefined;
  /** PGSYSCONFDIR. */
  system?: string | undefined;
}

/** Reads the settings of a service. */
export function readService(name: string, { named, home, system }: ServiceFiles): Parts {
  if (named !== undefined && readSmallFile(named) === undefined) {
    throw Fault.credential(`service file ${named} does not exist`);
  }
  const own = named ?? (home === undefined ? undefined : join(home, ".pg_service.conf"));
  // Without a home folder only explicitly named files are used.
  const folders = system === undefined ? (home === undefined ? [] : SYSTEM) : [system];
  const others = folders.map((folder) => join(folder, "pg_service.conf"));
  const files = [...(own === undefined ? [] : [own]), ...others];
  for (const path of files) {
    const parts = parseService(readSmallFile(path) ?? "", name, path);
    if (parts) return parts;
  }
  throw Fault.credential(`service '${name}' is not found in ${files.join(", ") || "any file"}`);
}

/** Parses a section; returns undefined when the text has none with this name. */
function parseService(text: string, name: string, path: string): Parts | undefined {
  let parts: Parts | undefined;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("[")) {
      if (parts) break;
      if (line === `[${name}]`) parts = {};
    } else if (parts) {
      setLine(parts, line, `service file ${path}, line ${index + 1}`);
    }
  }
  return parts;
}

function setLine(parts: Parts, line: string, where: string): void {
  if (/^ldaps?:/i.test(line)) throw Fault.credential(`${where}: LDAP is not supported`);
  const at = line.indexOf("=");
  if (at < 0) throw Fault.credential(`${where}: it must be name=value`);
  const [name, value] = [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  if (name === "service" || name === "servicefile") {
    throw Fault.credential(`${where}: a service cannot name another ${name}`);
  }
  try {
    setParameter(parts, name, value);
  } catch (fault) {
    throw fault instanceof Fault ? fault.saying(`${where}: ${fault.message}`) : fault;
  }
}
