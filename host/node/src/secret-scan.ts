// Detection of misplaced secrets in a request, of which the component gets all but `supabaseUrl` and `supabaseKey`.
//
// Requests may be long: no expression may scan a part again for each character.

import { guard } from "./components.js";
import { holdsConnectionText } from "./connection-config/text.js";

/** Returns true if a field is, or contains, a name of a secret, a connection string or a credential. */
export function isSecret(name: string, value: unknown): boolean {
  return isName(name) || isSecretText(name) || holdsSecret(value);
}

/** Returns true if a value contains a secret at any depth. */
export function holdsSecret(value: unknown): boolean {
  if (typeof value === "string") return isSecretText(value);
  if (Array.isArray(value)) return value.some(holdsSecret);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, value]) => isSecret(name, value));
}

function isName(name: string): boolean {
  const plain = name.replace(/[^A-Za-z0-9]/g, "").toLowerCase();
  const { secretNames, secretWords } = guard();
  return secretNames.includes(plain) || secretWords.some((word) => plain.includes(word));
}

/** Returns true if a text contains a connection string or a credential, percent-encoded or not. */
function isSecretText(text: string): boolean {
  const forms = text.includes("%") ? [text, percentDecoded(text)] : [text];
  return forms.some((form) => holdsConnectionText(form) || holdsCredential(form));
}

/** Login in a URL: `scheme://user:password@`. */
const LOGIN_IN_URL = /:\/\/[^\s/?#:]*:[^\s/?#]+@/;

/** Address after the `@` of a login: a host with a dot, a port or a path. `app:web@node` is an application name. */
const ADDRESS = /@(?:[^\s:/@]*\.|localhost(?![^\s:/@])|[^\s:/@]+(?::\d|\/))/;

/** Supabase access token or JSON Web Token. */
const TOKEN = /sbp_[0-9a-f]{40}|(?<![\w.-])\.*eyJ[\w-]{10,}\.+[\w-]+\.+[\w-]+\.*(?![\w.-])/i;

/** Bearer token, or a value after `password`. */
const VALUE = /bearer\s+\S|password\s*[:=]\s*\S/i;

/** Returns true if a text contains a credential, recognised by its form. */
function holdsCredential(text: string): boolean {
  return LOGIN_IN_URL.test(text) || TOKEN.test(text) || VALUE.test(text) || text.split(/\s+/).some(isLogin);
}

/** Returns true if a word has the form `user:password@host`. */
function isLogin(word: string): boolean {
  const colon = word.indexOf(":");
  return colon >= 0 && !word.includes("://") && ADDRESS.test(word.slice(colon + 2));
}

const PERCENT = 0x25;

/** Decodes percent-encoding; other uses of `%` stay unchanged. */
function percentDecoded(text: string): string {
  const bytes = Buffer.from(text);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const [byte = 0, high, low] = [bytes[at], hexDigit(bytes[at + 1]), hexDigit(bytes[at + 2])];
    const isEncoded = byte === PERCENT && high >= 0 && low >= 0;
    bytes[length++] = isEncoded ? 16 * high + low : byte;
    if (isEncoded) at += 2;
  }
  return bytes.toString("utf8", 0, length);
}

/** Returns the value of a hexadecimal digit, or -1. */
function hexDigit(byte = 0): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
