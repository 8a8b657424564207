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

/** One of the hosts of a connection. */
export interface HostPort {
  /** Host name, address, or the directory of a Unix socket. */
  host: string;
  /** `hostaddr`: the address to connect to in the place of the one that the host's name resolves to. */
  address?: string | undefined;
  port: number;
  /** None for servers that do not ask. */
  password?: Secret | undefined;
}

/** Address, login and security settings of one connection. Its own host is the first where there are several. */
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
  /** `require_auth`: the methods that are allowed; none where all are. */
  requireAuth?: readonly AuthMethod[] | undefined;
  targetSessionAttrs: TargetSessionAttrs;
  /** `connect_timeout` for each host, when one is set. */
  connectTimeoutMs?: number | undefined;
  /** `options`, such as `reference=…` for Supavisor. */
  options?: string | undefined;
  /** Facts about the settings that a report must state, such as parameters passed over. */
  notes: readonly string[];
}

/** Hosts and ports alone: fit for logs. */
export function place(target: Target): string {
  return [target, ...target.moreHosts].map(({ host, port }) => `${host}:${port}`).join(",");
}

/** Letters of a password that a text holds by chance. */
const FEW = 3;

/** Recognises what holds a target's password, or its percent-encoded form. A password that is a name is shown anyway. */
export function quotesPassword({ password, user, database, host }: Target): (said: string | Buffer) => boolean {
  const text = password?.reveal() ?? "";
  if (text.length <= FEW || [user, database, host].includes(text)) return () => false;
  const forms = [text, percentEncoded(text)];
  return (said) => forms.some((form) => said.includes(form));
}

function percentEncoded(text: string): string {
  // A lone surrogate has no such form.
  return encodeURIComponent(Buffer.from(text).toString());
}

/** One target for each host, in the order in which they are tried. */
export function each(target: Target): Target[] {
  const { host, address, port, password } = target;
  return [{ host, address, port, password }, ...target.moreHosts].map((at) => ({ ...target, ...at, moreHosts: [] }));
}

/** True when the host is the directory of a Unix socket. */
export function isSocket({ host }: HostPort): boolean {
  return host.startsWith("/");
}
