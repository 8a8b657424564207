// Connection credentials by name. A component gets a handle; the secret stays in the host.
//
// Sources in order: the request, the host's own map, the environment.

import { isAbsolute } from "node:path";
import { guard } from "./components.js";
import { type Environment, namesPlace, PLACES } from "./connection-config/environment.js";
import { resolveOwn, type Surroundings } from "./connection-config/resolve.js";
import type { Target } from "./connection-config/target.js";
import { parseText } from "./connection-config/text.js";
import { Fault } from "./fault.js";
import { targetOf } from "./supabase.js";

export type { Environment };

/** Map entry used when no name is given. */
const DEFAULT = "default";
const URLS = ["DATABASE_URL", "SUPABASE_DB_URL"] as const;
const VARIABLES = `environment (DATABASE_URL, SUPABASE_DB_URL, SUPABASE_URL with SUPABASE_KEY, ${PLACES.join(", ")})`;

/** One credential of the host. */
export interface CredentialEntry {
  /** `postgres://…`, libpq's `host=… user=…`, or `https://<ref>.supabase.co` with `key`. */
  url: string;
  /** Database password, if the URL has none. */
  key?: string;
  /** Console of the PgBouncer that the applications use: `postgres://ADMIN:PASSWORD@HOST:6432/pgbouncer`. */
  pooler?: string;
}

/** Sources of credentials. */
export interface Sources {
  /** Credentials by name. `default` applies when a request names none. */
  map?: Readonly<Record<string, string | CredentialEntry>> | undefined;
  /** Absent: the environment is not consulted. */
  environment?: Environment | undefined;
  /** Home folder with libpq's files; `HOME` of the environment by default. */
  home?: string | undefined;
  /** Name of the operating system's user, libpq's default role. */
  osUser?: string | undefined;
}

/** Resolved credential. */
export interface Credential {
  name: string;
  target: Target;
  /** Console of its pooler. */
  console?: Target | undefined;
}

/** Credentials that one call may use: the one that the request brought or named, or the default. */
export class CredentialScope {
  readonly #sources: Sources;
  readonly #request: Target | undefined;
  readonly #name: string | undefined;

  constructor(sources: Sources, url?: string, key?: string, name?: string) {
    if (url !== undefined && name !== undefined) {
      throw Fault.invalid("supabaseUrl and credential both name a database: give one of them");
    }
    if (url === undefined && key !== undefined) {
      throw Fault.credential("supabaseKey opens nothing by itself: give supabaseUrl with it");
    }
    this.#sources = sources;
    this.#request = url === undefined ? undefined : targetOf(url, key);
    this.#name = name;
  }

  /** Finds the credential of this call. Any other name is refused. */
  lookup(asked: string | undefined): Credential {
    if (asked !== undefined && asked !== this.#name) {
      const message = `Supabase credentials not found: credential ${shown(asked)} is not granted to this call`;
      throw new Fault("credentials-not-found", message);
    }
    const found = this.#name === undefined ? this.#default() : this.#named(this.#name);
    if (!found) throw this.#notFound();
    return found;
  }

  #default(): Credential | undefined {
    if (this.#request) return { name: "request", target: this.#request };
    return this.#inMap(DEFAULT) ?? this.#inEnvironment();
  }

  #named(name: string): Credential | undefined {
    return name === "environment" ? this.#inEnvironment() : this.#inMap(name);
  }

  #inMap(name: string): Credential | undefined {
    const map = this.#sources.map;
    if (!map || !Object.hasOwn(map, name)) return undefined;
    const entry = map[name];
    if (entry === undefined) return undefined;
    const { url, key, pooler } = typeof entry === "string" ? { url: entry } : (entry as CredentialEntry);
    const own = this.#surroundings();
    return within(`credential '${name}'`, () => ({
      name,
      target: targetOf(url, key, own),
      console: consoleOf(pooler, own),
    }));
  }

  #inEnvironment(): Credential | undefined {
    const own = this.#surroundings();
    const set = (name: string) => own.environment[name] || undefined;
    const target = () => {
      // The first variable that is set applies; if it is invalid, the next does not replace it.
      const variable = URLS.find(set);
      if (variable) return within(variable, () => targetOf(set(variable) ?? "", undefined, own));
      const url = set("SUPABASE_URL");
      if (url) return within("SUPABASE_URL and SUPABASE_KEY", () => targetOf(url, set("SUPABASE_KEY"), own));
      return namesPlace(own.environment) ? resolveOwn({}, own) : undefined;
    };
    const found = target();
    if (!found) return undefined;
    const console = within("PGBOUNCER_URL", () => consoleOf(set("PGBOUNCER_URL"), own));
    return { name: "environment", target: found, console };
  }

  /** Settings of the operator's machine, for the operator's own texts and never for a request's. */
  #surroundings(): Surroundings {
    const { environment = {}, home = environment.HOME, osUser } = this.#sources;
    // A relative home would select files of the working directory, which others may have written.
    return { environment, home: home !== undefined && isAbsolute(home) ? home : undefined, osUser };
  }

  #notFound(): Fault {
    const tried: string[] = [];
    const name = this.#name;
    if (name === undefined) tried.push("request (supabaseUrl, supabaseKey)");
    const entry = shown(name ?? DEFAULT);
    tried.push(
      this.#sources.map ? `credentials of the host (no entry ${entry})` : "credentials of the host (none given)",
    );
    if (name === undefined || name === "environment") {
      tried.push(this.#sources.environment ? `${VARIABLES} (none set)` : "environment (not consulted)");
    }
    const which = name === undefined ? "" : ` under the name ${shown(name)}`;
    return new Fault("credentials-not-found", `Supabase credentials not found${which}; tried: ${tried.join(", ")}`);
  }
}

function consoleOf(url: string | undefined, own: Surroundings): Target | undefined {
  if (url === undefined) return undefined;
  return within("pooler", () => {
    const parts = parseText(url);
    const { database } = guard().pgbouncer;
    if (parts.database !== undefined && parts.database !== database) {
      throw Fault.credential(`the URL must end in /${database}: that database is the admin console of PgBouncer`);
    }
    return resolveOwn({ ...parts, database }, own);
  });
}

/** Adds the name of the setting to a fault's message. */
function within<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (fault) {
    throw fault instanceof Fault ? fault.saying(`${what}: ${fault.message}`) : fault;
  }
}

/** Quotes a plain name. Anything else may be a misplaced secret and is not shown. */
function shown(name: string): string {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(name) ? `'${name}'` : "that is no plain name";
}
