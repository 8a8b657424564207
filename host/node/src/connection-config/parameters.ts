// Connection parameters by name: applied, refused with a reason, or ignored with a note.
//
// Names are compared in lower case without `-` and `_`, so that `sslmode`, `ssl-mode` and `sslMode` are equal.

import { isIP } from "node:net";
import { Fault } from "../fault.js";
import { Secret } from "../secret.js";
import { checkHost, splitList } from "./hosts.js";
import { nearest } from "./nearest.js";
import type { Parts } from "./parts.js";
import { isPassedOver, PASSED_OVER } from "./passed-over.js";
import {
  AUTH_METHODS,
  type AuthMethod,
  CHANNEL_BINDINGS,
  SSL_MODES,
  SSL_NEGOTIATIONS,
  type SslMode,
  SUPPORTED_AUTH,
  TARGET_SESSION_ATTRS,
  TLS_VERSIONS,
} from "./security.js";

/** Context of a parameter in its connection string. */
export interface Context {
  /** True for JDBC, whose `ssl` also verifies the certificate. */
  isJdbc?: boolean;
  /** True for a URL parameter without a `=`. */
  isBare?: boolean;
  /** True after a password: the name may be its unescaped rest, so it is not shown. */
  isAfterPassword?: boolean;
}

/** Sets a parameter. `name` is its name as written. */
type Apply = (parts: Parts, value: string, name: string, context: Context) => void;

const OLD_TLS = ["TLSv1", "TLSv1.1"];
const NO = ["0", "false", "off", "no"];
const YES = ["1", "true", "on", "yes"];

const APPLIED: Record<string, Apply> = {
  host: (parts, value) => {
    parts.hosts = splitList(value).map(checkHost);
  },
  hostaddr: (parts, value) => {
    parts.addresses = splitList(value);
    if (parts.addresses.some((it) => it !== "" && isIP(it) === 0)) {
      throw Fault.credential("hostaddr must be an IP address: give a name as `host`");
    }
  },
  port: (parts, value, name) => {
    parts.ports = splitList(value).map((port) => parsePort(port, name));
  },
  user: (parts, value) => {
    parts.user = value;
  },
  password: (parts, value) => {
    parts.password = new Secret(value);
  },
  dbname: (parts, value) => {
    parts.database = value;
  },
  sslmode: (parts, value, name, { isJdbc }) => {
    // Java drivers accept the words in any case, and R2DBC as enum constants.
    const word = isJdbc ? value.toLowerCase().replaceAll("_", "-") : value;
    parts.isUnverified = word === "no-verify";
    parts.sslMode = parts.isUnverified ? "require" : oneOf(SSL_MODES, word, name);
  },
  ssl: (parts, value, name, { isJdbc }) => {
    const mode = frameworkMode(value, name, isJdbc ?? false);
    if (value === "no-verify") parts.isUnverified = true;
    if (mode !== undefined && !(isJdbc && parts.isUnverified)) parts.frameworkMode = mode;
  },
  ssl_require: (parts, value) => {
    if (YES.includes(value.toLowerCase())) parts.frameworkMode = "require";
  },
  requiressl: (parts, value) => {
    if (value === "1") parts.frameworkMode = "require";
  },
  sslaccept: (parts, value, name) => {
    parts.sslAccept = oneOf(["strict", "accept_invalid_certs"] as const, value, name);
  },
  sslfactory: (parts, value) => {
    switch (value.split(".").at(-1)) {
      case "NonValidatingFactory":
        parts.frameworkMode = "require";
        parts.isUnverified = true;
        break;
      case "DefaultJavaSSLFactory":
        parts.isVerifiedBySystem = true;
        break;
      case "LibPQFactory":
        break;
      default:
        throw Fault.credential("sslfactory names a class of Java: set sslmode and sslrootcert instead");
    }
  },
  sslrootcert: (parts, value) => {
    parts.roots = value;
  },
  sslcert: (parts, value) => {
    parts.certificate = value;
  },
  sslkey: (parts, value) => {
    parts.key = value;
  },
  sslcertmode: (parts, value, name) => {
    const mode = oneOf(["disable", "allow", "require"] as const, value, name);
    if (mode === "require") {
      throw Fault.credential(`${name}=require cannot be honoured: no driver here sees what the server asked for`);
    }
    parts.withoutCertificate = mode === "disable";
  },
  sslnegotiation: (parts, value, name) => {
    parts.sslNegotiation = oneOf(SSL_NEGOTIATIONS, value, name);
  },
  ssl_min_protocol_version: (parts, value, name) => {
    // TLS 1.2 or later satisfies any lower bound.
    const isOld = OLD_TLS.some((old) => old.toLowerCase() === value.toLowerCase());
    parts.sslMinVersion = isOld ? "TLSv1.2" : tlsVersion(value, name);
  },
  ssl_max_protocol_version: (parts, value, name) => {
    parts.sslMaxVersion = tlsVersion(value, name);
  },
  channel_binding: (parts, value, name) => {
    parts.channelBinding = oneOf(CHANNEL_BINDINGS, value, name);
  },
  require_auth: (parts, value, name) => {
    parts.requireAuth = authMethods(value, name);
  },
  target_session_attrs: (parts, value, name) => {
    parts.targetSessionAttrs = oneOf(TARGET_SESSION_ATTRS, value, name);
  },
  targetServerType: (parts, value, name) => {
    const types = { any: "any", primary: "read-write", master: "read-write", secondary: "standby", slave: "standby" };
    const preferring = { preferSecondary: "prefer-standby", preferSlave: "prefer-standby", preferPrimary: "any" };
    const known = { ...types, ...preferring } as const;
    const type = oneOf(Object.keys(known) as (keyof typeof known)[], value, name);
    parts.targetSessionAttrs = known[type] as (typeof TARGET_SESSION_ATTRS)[number];
  },
  connect_timeout: (parts, value, name) => {
    if (!/^-?\d{1,6}$/.test(value.trim())) throw Fault.credential(`${name} must be a number of seconds`);
    parts.connectTimeoutMs = Math.max(0, Number(value)) * 1_000;
  },
  options: (parts, value) => {
    parts.options = value;
  },
  passfile: (parts, value) => {
    parts.passFile = value;
  },
  unix_sock: (parts, value, name) => {
    const [, folder, port] = /^(\/.*)\/\.s\.PGSQL\.(\d+)$/.exec(value) ?? [];
    if (folder === undefined || port === undefined) {
      throw Fault.credential(`${name} must be a path that ends in /.s.PGSQL.PORT: give host and port instead`);
    }
    parts.hosts = [folder];
    parts.ports = [parsePort(port)];
  },
  service: (parts, value) => {
    parts.service = value;
  },
  servicefile: (parts, value) => {
    parts.serviceFile = value;
  },
};

/** Returns the reason to refuse a parameter; undefined for a value that changes nothing. */
type Refuse = (value: string, name: string) => string | undefined;

const oauth: Refuse = (_, name) => `${name} is not supported: this host does not speak OAuth`;
const scramKeys: Refuse = (_, name) => `${name} is not supported: give the password`;
const asRole: Refuse = (_, name) => `${name} is not supported: name the role as \`user\``;
const revocation: Refuse = (_, name) => `${name} is not supported: no certificate revocation list is looked at`;

const socketFactory: Refuse = (_, name) =>
  `${name} is not supported: start the Cloud SQL Auth Proxy or the like in the place of Java's socket factory, and give its address`;

const REFUSED: Record<string, Refuse> = {
  cloudSqlInstance: socketFactory,
  socketFactory,
  socketFactoryArg: socketFactory,
  sslpassword: (_, name) => `${name} is not supported: give a key in \`sslkey\` that has no passphrase`,
  sslidentity: (_, name) => `${name} is not supported: give the certificate as PEM files, sslcert and sslkey`,
  sslinline: (value, name) => refuseUnlessOff(value, `${name} is not supported: give sslcert and sslkey as files`),
  sslcrl: revocation,
  sslcrldir: revocation,
  sslkeylogfile: (_, name) => `${name} is not supported: it would write down the keys of the session`,
  gssencmode: (value, name) => {
    const mode = oneOf(["disable", "prefer", "require"] as const, value, name);
    return mode === "require" ? `${name}=require is not supported: this host does not speak GSSAPI` : undefined;
  },
  requirepeer: (_, name) => `${name} is not supported: the peer of a socket cannot be checked here`,
  scram_client_key: scramKeys,
  scram_server_key: scramKeys,
  oauth_issuer: oauth,
  oauth_client_id: oauth,
  oauth_client_secret: oauth,
  oauth_scope: oauth,
  min_protocol_version: (value, name) =>
    value === "3.0" ? undefined : `${name} is not supported above 3.0, the version that is spoken here`,
  replication: (value, name) => refuseUnlessOff(value, `${name} is not supported: a session of statements is needed`),
  sslhostnameverifier: (_, name) => `${name} names a class of Java: set sslmode instead`,
  role: asRole,
  session_authorization: asRole,
};

const normalised = (name: string) => name.toLowerCase().replace(/[-_]/g, "");
const byName = <T>(record: Record<string, T>) =>
  new Map(Object.entries(record).map(([name, it]) => [normalised(name), it]));

const applied = byName(APPLIED);
for (const [alias, name] of [
  ["username", "user"],
  ["database", "dbname"],
  ["ssl_root_cert", "sslrootcert"],
  ["ssl_ca", "sslrootcert"],
] as const) {
  applied.set(normalised(alias), APPLIED[name] as Apply);
}
const refused = byName(REFUSED);
const KNOWN = [...Object.keys(APPLIED), ...Object.keys(REFUSED), ...PASSED_OVER];

/** Returns true if the text is the name of a parameter. */
export function isParameter(name: string): boolean {
  return applied.has(normalised(name)) || refused.has(normalised(name)) || isPassedOver(normalised(name));
}

/** Sets one parameter of a connection string; an empty value leaves it unset. */
export function setParameter(parts: Parts, name: string, value: string, context: Context = {}): void {
  const key = normalised(name);
  const apply = applied.get(key);
  // A framework's `ssl` without a value requests TLS, and so does JDBC's empty one.
  if (key === "ssl" && value === "" && (context.isBare || context.isJdbc)) value = "true";
  if (apply) {
    if (context.isBare && value === "") {
      throw Fault.credential(`connection parameter '${name}' has no value: write it as ${name}=…`);
    }
    if (value !== "") apply(parts, value, name, context);
    return;
  }
  // An empty value counts as unset everywhere.
  if (value === "" && !context.isBare && refused.has(key)) return;
  const refusal = refused.get(key)?.(value, name);
  if (refusal !== undefined) throw Fault.credential(refusal);
  // Migration tools use the prefix `x-` for their own parameters.
  const isOfMigrations = /^x-[A-Za-z0-9-]{1,38}$/.test(name) && !context.isAfterPassword;
  if (!isParameter(name) && !isOfMigrations) throw unknown(name, context);
  parts.notes ??= [];
  parts.notes.push(`connection parameter '${name}' is passed over: it changes nothing here`);
}

/** Returns the fault of an unknown name. The name may be part of an unescaped password, so it is not always shown. */
function unknown(name: string, { isAfterPassword }: Context): Fault {
  if (isAfterPassword || !/^[A-Za-z][A-Za-z0-9_-]{1,39}$/.test(name)) {
    const hint = "if it is part of a password, percent-encode '&' as %26, '?' as %3F and '@' as %40";
    return Fault.credential(`a connection parameter is unknown: ${hint}`);
  }
  const near = nearest(name, KNOWN);
  const hint = near === undefined ? "libpq and the frameworks have none of that name" : `did you mean '${near}'?`;
  return Fault.credential(`connection parameter '${name}' is unknown: ${hint}`);
}

/** Parses a port; undefined when empty. Errors show `name`, as the value may be a misplaced secret. */
export function parsePort(text: string, name = "port"): number | undefined {
  if (text.trim() === "") return undefined;
  const port = /^\s*\+?0*\d{1,5}\s*$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  const hint = "if a password holds '@', ':' or '/', percent-encode it";
  throw Fault.credential(`${label(name, "port")} must be a number from 1 to 65535; ${hint}`);
}

/** Labels of the parameters whose values appear in messages and logs. */
const REPEATED: ReadonlyMap<string, string> = new Map([
  ["user", "user"],
  ["username", "user"],
  ["dbname", "database name"],
  ["database", "database name"],
]);

/** Refuses a raw separator in a part that appears in messages: a password may follow it. */
export function checkSeparators(name: string, written: string, hint: string): void {
  const part = REPEATED.get(normalised(name));
  if (part !== undefined && /[&;=]/.test(written)) throw Fault.credential(`a '&', ';' or '=' in the ${part}: ${hint}`);
}

function label(name: string, what: string): string {
  return name === what ? `the ${what}` : `${name}, the ${what},`;
}

function oneOf<T extends string>(values: readonly T[], value: string, name: string): T {
  const found = values.find((it) => it === value);
  // The value may be a misplaced secret, so it is not shown.
  if (found === undefined) throw Fault.credential(`${name} must be one of ${values.join(", ")}`);
  return found;
}

function tlsVersion(value: string, name: string): (typeof TLS_VERSIONS)[number] {
  const found = TLS_VERSIONS.find((version) => version.toLowerCase() === value.toLowerCase());
  return found ?? oneOf(TLS_VERSIONS, value, name);
}

function frameworkMode(value: string, name: string, isJdbc: boolean): SslMode | undefined {
  const word = value.toLowerCase();
  if (word === "no-verify") return "require";
  if (YES.includes(word)) return isJdbc ? "verify-full" : "require";
  if (NO.includes(word)) return isJdbc ? undefined : "disable";
  const mode = SSL_MODES.find((mode) => mode === (isJdbc ? word : value));
  if (mode === undefined) throw Fault.credential(`${name} must be true, false, no-verify or an sslmode`);
  return mode;
}

function authMethods(value: string, name: string): AuthMethod[] {
  const words = value.split(",").map((word) => word.trim());
  const negated = words.filter((word) => word.startsWith("!"));
  if (negated.length > 0 && negated.length < words.length) {
    throw Fault.credential(`${name} must negate all of its methods with '!' or none`);
  }
  const named = words.map((word) => oneOf(AUTH_METHODS, word.replace(/^!/, ""), `a method of ${name}`));
  const allowed = AUTH_METHODS.filter((method) => named.includes(method) === (negated.length === 0));
  if (!allowed.some((method) => SUPPORTED_AUTH.includes(method))) {
    const have = SUPPORTED_AUTH.join(", ");
    throw Fault.credential(`${name} allows only ${allowed.join(", ") || "nothing"}: this host has ${have}`);
  }
  return allowed;
}

function refuseUnlessOff(value: string, why: string): string | undefined {
  return NO.includes(value.toLowerCase()) ? undefined : why;
}
