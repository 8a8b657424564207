// `supabaseUrl` and `supabaseKey`: what they open, and what they cannot.

import { Fault } from "./fault.js";
import { Secret } from "./secret.js";
import { finish, isUrl, parseParts, type Target } from "./target.js";

const WANTED = "the database password is needed (dashboard, Project Settings, Database)";

/** What a text offered as the key of a project is, by its shape. */
function classify(key: string): "api-key" | "access-token" | "password" {
  if (key.startsWith("sb_publishable_") || key.startsWith("sb_secret_")) return "api-key";
  // A JSON Web Token: three parts, the first a JSON object in base64.
  if (key.startsWith("eyJ") && key.split(".").length === 3) return "api-key";
  return key.startsWith("sbp_") ? "access-token" : "password";
}

/** Where a URL and what came with it lead. A pooler's host is never guessed: its cluster number is in no URL. */
export function targetOf(url: string, key?: string): Target {
  const text = url.trim();
  const password = key === undefined ? undefined : passwordOf(key);
  if (isUrl(text)) {
    const parts = parseParts(text);
    if (password && parts.password) {
      throw Fault.credential("the URL holds a password and the key is another: give one of them");
    }
    return finish(password ? { ...parts, password } : parts);
  }
  const project = /^https:\/\/([a-z]{20})\.supabase\.co\/?$/.exec(text)?.[1];
  if (!project) {
    throw Fault.credential("the URL must be https://<project>.supabase.co or a postgres:// connection URL");
  }
  if (!password) {
    throw Fault.credential(`the URL names a project and nothing that opens it came with it: ${WANTED}`);
  }
  return finish({
    host: `db.${project}.supabase.co`,
    user: "postgres",
    database: "postgres",
    sslMode: "require",
    password,
  });
}

function passwordOf(key: string): Secret {
  switch (classify(key)) {
    case "api-key":
      throw Fault.credential(
        `the key is an API key: it opens the project's REST API, which shows neither sessions nor settings; ${WANTED}`,
      );
    case "access-token":
      throw Fault.credential(
        `the key is an access token: it opens the Management API, which this host does not speak; ${WANTED}`,
      );
    case "password":
      return new Secret(key);
  }
}

/** What is said of a project's own host, which only IPv6 leads to. */
export function advised(fault: Fault, target: Target): Fault {
  if (fault.kind !== "server-unreachable" || !/^db\.[a-z]{20}\.supabase\.co$/.test(target.host)) return fault;
  return fault.saying(
    `${fault.message}; this host has no IPv4 address unless the project bought one: give the session pooler's URL ` +
      "(dashboard, Connect)",
  );
}
