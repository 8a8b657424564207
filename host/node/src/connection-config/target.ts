// Address, login and security settings of one connection.

import type { Secret } from "../secret.js";
import type {
  AuthMethod,
  ChannelBinding,
  SslMode,
  SslNegotiation,
  TargetSessionAttrs,
  TlsVersion,
} from "./security.js";

/** One host of a connection. */
export interface HostPort {
  /** Host name, address, or the directory of a Unix socket. */
  host: string;
  /** `hostaddr`: address to connect to instead of resolving the host name. */
  address?: string | undefined;
  port: number;
  /** Absent for servers that request none. */
  password?: Secret | undefined;
}

/** Address, login and security settings of one connection; its own host is the first of several. */
export interface Target extends HostPort {
  /** Further hosts, tried in this order after the first. */
  moreHosts: readonly HostPort[];
  user: string;
  database: string;
  sslMode: SslMode;
  /** `sslrootcert`: a PEM file, or `system`. */
  roots?: string | undefined;
  /** `sslcert` and `sslkey`: PEM files. */
  clientCertificate?: { certificate: string; key: string } | undefined;
  sslNegotiation: SslNegotiation;
  sslMinVersion: TlsVersion;
  sslMaxVersion?: TlsVersion | undefined;
  channelBinding: ChannelBinding;
  /** `require_auth`: allowed methods; absent when all are. */
  requireAuth?: readonly AuthMethod[] | undefined;
  targetSessionAttrs: TargetSessionAttrs;
  /** `connect_timeout` for each host, when one is set. */
  connectTimeoutMs?: number | undefined;
  /** `options`, such as `reference=…` for Supavisor. */
  options?: string | undefined;
  /** Facts about the settings that a report must state, such as ignored parameters. */
  notes: readonly string[];
}

/** Returns hosts and ports only, suitable for logs. */
export function place(target: Target): string {
  return [target, ...target.moreHosts].map(({ host, port }) => `${host}:${port}`).join(",");
}

/** Maximum length of a password that a text may contain by chance. */
const FEW = 3;

/**
 * Returns a test for texts that contain the target's password, plain or percent-encoded. Passwords equal to a name are
 * not detected, as that is shown anyway.
 */
export function quotesPassword({ password, user, database, host }: Target): (said: string | Buffer) => boolean {
  const text = password?.reveal() ?? "";
  if (text.length <= FEW || [user, database, host].includes(text)) return () => false;
  const forms = [text, percentEncoded(text)];
  return (said) => forms.some((form) => said.includes(form));
}

function percentEncoded(text: string): string {
  // Buffer replaces lone surrogates, which cannot be percent-encoded.
  return encodeURIComponent(Buffer.from(text).toString());
}

/** Returns one target per host, in the order of attempts. */
export function each(target: Target): Target[] {
  const { host, address, port, password } = target;
  return [{ host, address, port, password }, ...target.moreHosts].map((at) => ({ ...target, ...at, moreHosts: [] }));
}

/** Returns true if the host is the directory of a Unix socket. */
export function isSocket({ host }: HostPort): boolean {
  return host.startsWith("/");
}
