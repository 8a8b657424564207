// Server name check by libpq's rules (fe-secure-common.c), which differ from those of HTTPS.
//
// A host name is compared with the certificate's DNS names, an address with its IP addresses; the common name counts
// only without names of that kind.

import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";

/** Returns the error of a certificate that does not match the host; undefined when it matches. */
export function whyNotNamed(host: string, certificate: X509Certificate): Error | undefined {
  const names = alternativeNames(certificate.subjectAltName ?? "");
  const kind = isIP(host) === 0 ? "DNS" : "IP Address";
  const own = names.filter((it) => it.kind === "DNS" || it.kind === "IP Address").map(({ name }) => name);
  const common = names.some((it) => it.kind === kind) ? [] : commonNames(certificate.subject);
  const candidates = [...own, ...common];
  if (candidates.some((name) => isNameOf(name, host))) return undefined;
  const named = candidates.slice(0, 3).join(", ") || "no name";
  return new Error(`the server's certificate is for ${named} and not for ${host}`);
}

interface AlternativeName {
  kind: string;
  name: string;
}

/** Parses Node's `DNS:a, IP Address:::1`; names with a comma or quote are JSON, so that none can imitate another. */
function alternativeNames(text: string): AlternativeName[] {
  const found = text.matchAll(/(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)/g);
  return [...found].map(([, kind = "", name = ""]) => ({
    kind,
    name: name.startsWith('"') ? (JSON.parse(name) as string) : name,
  }));
}

/** Returns the common name of a subject, which Node writes as lines of `CN=name` with escapes. */
function commonNames(subject: string | undefined): string[] {
  const lines = (subject ?? "").split("\n").filter((line) => line.startsWith("CN="));
  return lines.map((line) => line.slice("CN=".length).replace(/\\(.)/g, "$1")).slice(-1);
}

function isNameOf(pattern: string, host: string): boolean {
  if (isIP(host) !== 0) return sameAddress(pattern, host);
  const [name, wanted] = [pattern.toLowerCase(), host.toLowerCase()];
  if (name === wanted) return true;
  // A `*` matches only the first label, as in `*.example.com`.
  const [first, ...rest] = wanted.split(".");
  return name.startsWith("*.") && rest.length > 0 && first !== "" && name.slice(2) === rest.join(".");
}

function sameAddress(a: string, b: string): boolean {
  return isIP(a) !== 0 && canonical(a) === canonical(b);
}

/** Returns the canonical form of an address. */
function canonical(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address.split("%")[0]}]`).hostname : address;
}
