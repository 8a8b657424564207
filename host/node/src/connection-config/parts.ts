// Settings of one source (a connection string, a service, the environment) before merging and defaults.

import { Fault } from "../fault.js";
import type { Secret } from "../secret.js";
import { AT_IN_HOST } from "./hosts.js";
import type {
  AuthMethod,
  ChannelBinding,
  SslMode,
  SslNegotiation,
  TargetSessionAttrs,
  TlsVersion,
} from "./security.js";
import type { HostPort, Target } from "./target.js";

/** Settings of one source; unset ones are absent. */
export interface Parts {
  /** Host names; an empty one stands for the default. */
  hosts?: string[];
  addresses?: string[];
  ports?: (number | undefined)[];
  user?: string;
  password?: Secret;
  database?: string;
  sslMode?: SslMode;
  /** Set by a framework's own parameter, which `sslmode` overrides. */
  frameworkMode?: SslMode;
  /** `no-verify`: the certificate is not verified. */
  isUnverified?: boolean;
  /** True for JDBC's factory that verifies with the system's certificate authorities in any mode. */
  isVerifiedBySystem?: boolean;
  /** Prisma's `sslaccept`, which makes `sslcert` the root. */
  sslAccept?: "strict" | "accept_invalid_certs";
  roots?: string;
  certificate?: string;
  key?: string;
  /** `sslcertmode=disable`. */
  withoutCertificate?: boolean;
  sslNegotiation?: SslNegotiation;
  sslMinVersion?: TlsVersion;
  sslMaxVersion?: TlsVersion;
  channelBinding?: ChannelBinding;
  requireAuth?: AuthMethod[];
  targetSessionAttrs?: TargetSessionAttrs;
  /** 0: no limit of its own. */
  connectTimeoutMs?: number;
  options?: string;
  passFile?: string;
  service?: string;
  serviceFile?: string;
  notes?: string[];
}

/** Defaults for settings that no source sets. */
export interface Defaults {
  hosts?: readonly string[];
  user?: string | undefined;
}

const PORT = 5432;

/** Merges sources; the first that sets a value wins. Notes are combined. */
export function merge(...sources: Parts[]): Parts {
  const notes = sources.flatMap((parts) => parts.notes ?? []);
  return { ...Object.assign({}, ...sources.map(framed).reverse()), notes: [...new Set(notes)] };
}

/** Converts framework-specific settings of one source, so that they do not affect other sources. */
function framed({ frameworkMode, sslAccept, isVerifiedBySystem, ...parts }: Parts): Parts {
  if (isVerifiedBySystem && parts.sslMode !== "disable") return { roots: "system", ...parts, sslMode: "verify-full" };
  const mode = parts.sslMode ?? frameworkMode;
  if (mode !== undefined) parts = { ...parts, sslMode: mode, isUnverified: parts.isUnverified ?? false };
  if (sslAccept === undefined) return parts;
  const { certificate, ...rest } = parts;
  if (sslAccept === "accept_invalid_certs") return { ...rest, isUnverified: true };
  return { ...rest, sslMode: "verify-full", ...(certificate === undefined ? {} : { roots: certificate }) };
}

/** Applies the defaults, and refuses inconsistent settings. */
export function finish(parts: Parts, defaults: Defaults = {}): Target {
  const [first, ...moreHosts] = hostsOf(parts, defaults.hosts);
  if (!first) throw Fault.credential("the connection has no host");
  const user = parts.user ?? defaults.user;
  if (user === undefined) throw Fault.credential("the connection has no user");
  const sslMode = sslModeOf(parts, [first, ...moreHosts]);
  const sslNegotiation = parts.sslNegotiation ?? "postgres";
  if (sslNegotiation === "direct" && ["disable", "allow", "prefer"].includes(sslMode)) {
    throw Fault.credential("sslnegotiation=direct takes no weak sslmode: set sslmode=require or a stronger one");
  }
  const sslMinVersion = parts.sslMinVersion ?? "TLSv1.2";
  if (parts.sslMaxVersion !== undefined && parts.sslMaxVersion < sslMinVersion) {
    throw Fault.credential("ssl_min_protocol_version is above ssl_max_protocol_version: no TLS version is left");
  }
  return {
    ...first,
    moreHosts,
    user,
    database: parts.database ?? user,
    sslMode,
    roots: parts.isUnverified ? undefined : parts.roots,
    clientCertificate: clientCertificateOf(parts),
    sslNegotiation,
    sslMinVersion,
    sslMaxVersion: parts.sslMaxVersion,
    channelBinding: parts.channelBinding ?? "prefer",
    requireAuth: parts.requireAuth,
    targetSessionAttrs: parts.targetSessionAttrs ?? "any",
    connectTimeoutMs: parts.connectTimeoutMs || undefined,
    options: parts.options,
    notes: parts.notes ?? [],
  };
}

function hostsOf({ hosts, addresses, ports, password }: Parts, defaults: readonly string[] = []): HostPort[] {
  const isOpen = (list: string[] | undefined) => list === undefined || (list.length === 1 && list[0] === "");
  const names = !isOpen(hosts) ? (hosts ?? []) : isOpen(addresses) ? [...defaults] : (addresses ?? []);
  if (addresses && addresses.length !== names.length) throw mismatch(names, addresses, "address", "addresses");
  if (ports && ports.length !== 1 && ports.length !== names.length) throw mismatch(names, ports, "port", "ports");
  return names.map((name, index) => {
    const host = name || (addresses?.[index] ?? defaults[0]);
    if (!host) throw Fault.credential("the connection has no host");
    if (host.startsWith("@")) throw Fault.credential(AT_IN_HOST);
    const port = (ports?.length === 1 ? ports[0] : ports?.[index]) ?? PORT;
    return { host, address: addresses?.[index] || undefined, port, password };
  });
}

function mismatch(hosts: unknown[], others: unknown[], one: string, many: string): Fault {
  const counted = (list: unknown[], one: string, many: string) => `${list.length} ${list.length === 1 ? one : many}`;
  const said = `${counted(hosts, "host", "hosts")} and ${counted(others, one, many)}`;
  return Fault.credential(`the connection has ${said}: give one for each host`);
}

function sslModeOf({ sslMode, roots, isUnverified }: Parts, hosts: readonly HostPort[]): SslMode {
  // Supabase always offers TLS, so requiring it never prevents a connection.
  const isSupabase = hosts.some(({ host }) => /\.supabase\.(co|com)$/i.test(host));
  if (roots !== "system" || isUnverified) return sslMode ?? (isSupabase ? "require" : "prefer");
  // Anyone can get a certificate from a public authority, so the host name must be verified too.
  if (sslMode === undefined || sslMode === "require" || sslMode.startsWith("verify-")) return "verify-full";
  throw Fault.credential(`sslrootcert=system takes no weak sslmode: set sslmode=verify-full`);
}

function clientCertificateOf({ certificate, key, withoutCertificate }: Parts): Target["clientCertificate"] {
  if (withoutCertificate || (certificate === undefined && key === undefined)) return undefined;
  if (certificate !== undefined && key !== undefined) return { certificate, key };
  throw Fault.credential("a client certificate needs both sslcert and sslkey");
}
