// Settings of a connection from all of its sources, with libpq's precedence: text, service, environment, defaults.

import { join } from "node:path";
import { Fault } from "../fault.js";
import { type Environment, parseEnvironment } from "./environment.js";
import { ifExists } from "./files.js";
import { finish, merge, type Parts } from "./parts.js";
import { SOCKET_FOLDERS, withPassFile } from "./pass-file.js";
import { readService } from "./service-file.js";
import type { Target } from "./target.js";
import { parseText } from "./text.js";

/** Environment, files and names that the operator's machine adds to a connection. */
export interface Surroundings {
  environment: Environment;
  /** Home folder with the pass file, service file and certificates. */
  home?: string | undefined;
  /** Name of the operating system's user. */
  osUser?: string | undefined;
}

/** Settings that a request cannot use: they would make the operator's machine read its files. */
const OPERATORS = { passFile: "passfile", service: "service", serviceFile: "servicefile", key: "sslkey" } as const;

/** Parses a connection URL or key=value text on its own. Faults never show a part that could be a secret. */
export function parseTarget(text: string): Target {
  return finish(merge(parseText(text)));
}

/** Resolves settings from a request without adding anything of the operator's machine. */
export function resolveRequest(given: Parts): Target {
  const parts = merge(given);
  // A request must not learn which files exist on the machine, or their type.
  if (parts.roots !== undefined && parts.roots !== "system") throw notInRequest("sslrootcert");
  if (parts.certificate !== undefined) throw notInRequest("sslcert");
  for (const [part, name] of Object.entries(OPERATORS)) {
    if (parts[part as keyof typeof OPERATORS] !== undefined) throw notInRequest(name);
  }
  // The server would see this process's operating system user as the peer.
  if (parts.hosts?.some((host) => /^[/@]/.test(host))) {
    throw Fault.credential("a request's URL may not name a Unix socket: give a host name");
  }
  return finish(parts);
}

/** Resolves the operator's settings; unset parts come from the machine. */
export function resolveOwn(given: Parts, { environment, home, osUser }: Surroundings): Target {
  const ambient = parseEnvironment(environment);
  const service = given.service ?? ambient.service;
  const named = given.serviceFile ?? ambient.serviceFile;
  const system = environment.PGSYSCONFDIR || undefined;
  const found = service === undefined ? {} : readService(service, { named, home, system });
  const parts = withCertificates(merge(given, found, ambient), home);
  const target = finish(parts, { hosts: SOCKET_FOLDERS, user: osUser });
  const passFile = parts.passFile ?? (home === undefined ? undefined : join(home, ".pgpass"));
  return passFile === undefined ? target : withPassFile(target, passFile);
}

/** Adds the user's certificates from libpq's default locations. */
function withCertificates(parts: Parts, home: string | undefined): Parts {
  if (home === undefined || parts.sslMode === "disable") return parts;
  const file = (name: string) => ifExists(join(home, ".postgresql", name));
  const [roots, certificate, key] = ["root.crt", "postgresql.crt", "postgresql.key"].map(file);
  const isOpen = parts.certificate === undefined && certificate !== undefined && key !== undefined;
  return {
    ...(roots === undefined ? {} : { roots }),
    ...(isOpen ? { certificate, key } : {}),
    ...(parts.certificate !== undefined && key !== undefined ? { key } : {}),
    ...parts,
  };
}

function notInRequest(name: string): Fault {
  return Fault.credential(`a request cannot set ${name}: it names a file of the host's machine`);
}
