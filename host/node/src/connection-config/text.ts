// Connection strings: a URL or libpq's `key=value` pairs, with the quoting that tools add.

import { Fault } from "../fault.js";
import { parsePairs } from "./conninfo.js";
import type { Parts } from "./parts.js";
import { holdsUrl, isUrl, parseUrl } from "./url.js";

const FORMS = "a connection URL starts with postgres:// or postgresql://, and a connection text is host=… user=…";

/** Maximum length of a connection string; tokens used as passwords have a few thousand characters. */
const MOST_LETTERS = 65_536;

/** Maximum number of wrappings to remove. */
const LAYERS = 4;

/** Parses a connection string without applying defaults. Faults never show a part that could be a secret. */
export function parseText(given: string): Parts {
  const text = unwrap(given);
  if (text.length > MOST_LETTERS) throw Fault.credential(`the connection text has more than ${MOST_LETTERS} letters`);
  if (text === "") throw Fault.credential("the connection text is empty");
  if (/[\r\n]/.test(text) && text.includes("://")) throw Fault.credential("the connection URL has a line break inside");
  if (isUrl(text)) return parseUrl(text);
  if (/^prisma(\+\w+)?:/i.test(text)) {
    const hint = "give the postgres:// URL of the database behind it (DIRECT_URL)";
    throw Fault.credential(`the URL leads to Prisma's own service, which is no PostgreSQL server: ${hint}`);
  }
  if (isAdoNet(text)) {
    throw Fault.credential("the connection text separates its pairs by ';', as ADO.NET does: give a postgres:// URL");
  }
  if (/^[A-Za-z]\w*\s*=/.test(text)) return parsePairs(text);
  throw Fault.credential(FORMS);
}

/** Returns true for ADO.NET's `Host=h;Username=u`: exactly one '=' in each of the first two parts. */
function isAdoNet(text: string): boolean {
  const [first, second] = text.split(";", 2).map((pair) => pair.split("=").length - 1);
  return /^[A-Za-z]/.test(text) && first === 1 && second === 1;
}

/** Removes the quotes and the `psql` command that secret stores, shells and files add around a connection string. */
export function unwrap(given: string): string {
  let text = given;
  for (let layer = 0; layer < LAYERS; layer++) {
    // U+FEFF, the byte order mark, counts as white space for `trim`.
    text = text.trim();
    text = /^psql\s+(.*)$/s.exec(text)?.[1] ?? text;
    text =
      /^"([^"]*)"$|^'([^']*)'$|^`([^`]*)`$/s
        .exec(text)
        ?.slice(1)
        .find((it) => it !== undefined) ?? text;
  }
  return text;
}

/** Returns true if the text contains a connection string, and so perhaps a password. */
export function holdsConnectionText(text: string): boolean {
  const dense = text.replace(/\s+/g, "");
  return holdsUrl(dense) || /password=/i.test(dense);
}
