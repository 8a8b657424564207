// Secrets in a request where none belongs. The component gets everything but `supabaseUrl` and `supabaseKey`, so what
// was meant for those and stands elsewhere must not get so far.
//
// A request may be long: no expression reads a part of it again for each of its letters.

import { guard } from "./components.js";
import { holdsConnectionText } from "./connection-config/text.js";

/** Finds a field that is, or holds anywhere inside, something named like a secret, a connection text or a credential. */
export function isSecret(name: string, value: unknown): boolean {
  return isName(name) || isSecretText(name) || holdsSecret(value);
}

/** Whether a value holds such a thing anywhere inside. */
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

/** Recognises a connection text or a credential, percent-encoded or not. */
function isSecretText(text: string): boolean {
  const forms = text.includes("%") ? [text, percentDecoded(text)] : [text];
  return forms.some((form) => holdsConnectionText(form) || holdsCredential(form));
}

/** `scheme://user:password@`. */
const LOGIN_IN_URL = /:\/\/[^\s/?#:]*:[^\s/?#]+@/;

/** Recognises the part behind the `@` of a login: a host with a dot, a port or a path. `app:web@node` names an application. */
const ADDRESS = /@(?:[^\s:/@]*\.|localhost(?![^\s:/@])|[^\s:/@]+(?::\d|\/))/;

/** An access token of Supabase, and a JSON Web Token. */
const TOKEN = /sbp_[0-9a-f]{40}|(?<![\w.-])\.*eyJ[\w-]{10,}\.+[\w-]+\.+[\w-]+\.*(?![\w.-])/i;

/** A bearer token, and a value behind `password`. */
const VALUE = /bearer\s+\S|password\s*[:=]\s*\S/i;

/** Recognises a credential by its form. */
function holdsCredential(text: string): boolean {
  return LOGIN_IN_URL.test(text) || TOKEN.test(text) || VALUE.test(text) || text.split(/\s+/).some(isLogin);
}

/** Recognises `user:password@host`. */
function isLogin(word: string): boolean {
  const colon = word.indexOf(":");
  return colon >= 0 && !word.includes("://") && ADDRESS.test(word.slice(colon + 2));
}

const PERCENT = 0x25;

/** Percent-decodes as a URL does: what is no `%XX` stays as it is. */
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

/** The value of a hexadecimal digit; -1 for what is none. */
function hexDigit(byte = 0): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
