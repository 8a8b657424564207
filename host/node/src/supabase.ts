// Targets for `supabaseUrl` and `supabaseKey`.

import { finish, merge, type Parts } from "./connection-config/parts.js";
import { resolveOwn, resolveRequest, type Surroundings } from "./connection-config/resolve.js";
import type { Target } from "./connection-config/target.js";
import { parseText, unwrap } from "./connection-config/text.js";
import { Fault } from "./fault.js";
import { Secret } from "./secret.js";

const WANTED =
  "the database password is needed (dashboard, Project Settings, Database); an access token would open the Management " +
  "API, which this host does not speak";

/** Database of a local stack, as `supabase start` prints it. */
const LOCAL = { port: 54_322, user: "postgres", password: "postgres", database: "postgres" } as const;

/** Classifies a project's key by its form. */
function classify(key: string): "api-key" | "access-token" | "password" {
  if (key.startsWith("sb_publishable_") || key.startsWith("sb_secret_")) return "api-key";
  // JSON Web Token: three parts, the first a JSON object in base64.
  if (key.startsWith("eyJ") && key.split(".").length === 3) return "api-key";
  return key.startsWith("sbp_") ? "access-token" : "password";
}

/**
 * Returns the target of a URL or connection string and its key. `own`: additions of the operator's machine, absent for
 * a request. A pooler's host is never guessed: its cluster number is in no URL.
 */
export function targetOf(url: string, key?: string, own?: Surroundings): Target {
  const text = unwrap(url);
  if (/^https?:\/\//i.test(text)) return ofProject(text, key);
  const password = key === undefined ? undefined : passwordOf(key);
  const parts = parseText(text);
  if (password && parts.password) {
    throw Fault.credential("the URL holds a password and the key is another: give one of them");
  }
  const given: Parts = password ? { ...parts, password } : parts;
  return own ? resolveOwn(given, own) : resolveRequest(given);
}

/** Returns the target of a project's URL. It is complete: no variable of the machine changes it. */
function ofProject(text: string, key: string | undefined): Target {
  const local = /^http:\/\/(127\.0\.0\.1|localhost|\[::1\]):54321(?:\/.*)?$/i.exec(text)?.[1]?.replace(/[[\]]/g, "");
  if (local !== undefined) return ofLocalStack(local, key);
  const host = /^https?:\/\/([^/:?#@]*)/i.exec(text)?.[1] ?? "";
  const project = /^https:\/\/([a-z]{20})\.supabase\.co(?::443)?(?:[/?#].*)?$/.exec(text)?.[1];
  if (project === undefined) throw Fault.credential(whyNoProject(text, host));
  if (key === undefined) {
    throw Fault.credential(`the URL names a project and nothing that opens it came with it: ${WANTED}`);
  }
  const password = passwordOf(key);
  const place = { hosts: [`db.${project}.supabase.co`], user: "postgres", database: "postgres" };
  return finish(merge({ ...place, sslMode: "require", password }));
}

function ofLocalStack(host: string, key: string | undefined): Target {
  const { port, user, database } = LOCAL;
  // A local stack's API key opens no database, and its default password is public.
  const password = new Secret(key === undefined || classify(key) !== "password" ? LOCAL.password : key);
  const notes = [`the URL is that of a local Supabase stack: its database at ${host}:${port} is used`];
  return finish(merge({ hosts: [host], ports: [port], user, database, password, notes }));
}

function whyNoProject(text: string, host: string): string {
  if (host.toLowerCase().endsWith(".supabase.co")) {
    return "the URL names no project of Supabase: a project reference has 20 lowercase letters";
  }
  if (/^http:/i.test(text)) {
    return (
      "the URL is no https://<project>.supabase.co: of a stack of your own give the postgres:// URL that " +
      "`supabase status` prints"
    );
  }
  return "the URL must be https://<project>.supabase.co or a postgres:// connection URL";
}

function passwordOf(key: string): Secret {
  switch (classify(key)) {
    case "api-key":
      throw Fault.credential(
        `the key is an API key: it opens the project's REST API, which shows neither sessions nor settings; ${WANTED}`,
      );
    case "access-token":
      throw Fault.credential(
        "the key is an access token: it opens the Management API, which this host does not speak; the database " +
          "password is needed (dashboard, Project Settings, Database)",
      );
    case "password":
      return new Secret(key);
  }
}

/** Adds a hint to the fault of a project's own host, which has only an IPv6 address by default. */
export function advised(fault: Fault, target: Target): Fault {
  if (fault.kind !== "server-unreachable" || !/^db\.[a-z]{20}\.supabase\.co$/.test(target.host)) return fault;
  return fault.saying(
    `${fault.message}; this host has no IPv4 address unless the project bought one: give the session pooler's URL ` +
      "(dashboard, Connect)",
  );
}
