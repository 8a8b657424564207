// A server's name in its certificate, by libpq's rules (fe-secure-common.c), which differ from those of HTTPS.
//
// A host's name is looked for among the certificate's DNS names, and in its common name only when it has none; an
// address among its addresses, and in the common name only when it has none of these.

import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";

/** Returns the error of a certificate that is not a host's; undefined when it is. */
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

/** Node writes them as `DNS:a, IP Address:::1`, and a name with a comma or a quote as JSON, so that none forges another. */
function alternativeNames(text: string): AlternativeName[] {
  const found = text.matchAll(/(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)/g);
  return [...found].map(([, kind = "", name = ""]) => ({
    kind,
    name: name.startsWith('"') ? (JSON.parse(name) as string) : name,
  }));
}

/** Node writes a subject as lines of `CN=name`, with special characters escaped. */
function commonNames(subject: string | undefined): string[] {
  const lines = (subject ?? "").split("\n").filter((line) => line.startsWith("CN="));
  return lines.map((line) => line.slice("CN=".length).replace(/\\(.)/g, "$1")).slice(-1);
}

function isNameOf(pattern: string, host: string): boolean {
  if (isIP(host) !== 0) return sameAddress(pattern, host);
  const [name, wanted] = [pattern.toLowerCase(), host.toLowerCase()];
  if (name === wanted) return true;
  // A `*` stands for the first label alone, as in `*.example.com`.
  const [first, ...rest] = wanted.split(".");
  return name.startsWith("*.") && rest.length > 0 && first !== "" && name.slice(2) === rest.join(".");
}

function sameAddress(a: string, b: string): boolean {
  return isIP(a) !== 0 && canonical(a) === canonical(b);
}

/** One spelling of an address. */
function canonical(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address.split("%")[0]}]`).hostname : address;
}
