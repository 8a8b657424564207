// libpq connection strings: `host=… user=… password='it\'s quoted'`.

import { Fault } from "../fault.js";
import { checkSeparators, setParameter } from "./parameters.js";
import type { Parts } from "./parts.js";

const NAME = /\s*([^=\s]+)\s*(=?)\s*/y;
const QUOTED = /'((?:[^'\\]|\\.)*)('?)/sy;
const QUOTE = "parameters are separated by blanks; quote a value that holds one, as in dbname='a;b'";
const PLAIN = /((?:[^\s\\]|\\.?)*)/sy;

/** Parses `key=value` pairs without applying defaults. */
export function parsePairs(text: string): Parts {
  const parts: Parts = {};
  let at = 0;
  const take = (pattern: RegExp): string[] => {
    pattern.lastIndex = at;
    const found = pattern.exec(text) ?? [];
    at = pattern.lastIndex;
    return found.slice(1);
  };
  for (let isAfterPassword = false; /\S/.test(text.slice(at)); ) {
    const [name = "", sign] = take(NAME);
    if (sign !== "=") {
      throw Fault.credential("a '=' is missing after a word: quote a value that has blanks, as in password='a b'");
    }
    const isQuoted = text[at] === "'";
    const [raw = "", end] = take(isQuoted ? QUOTED : PLAIN);
    if (isQuoted && end !== "'") {
      throw Fault.credential("a quote is not closed: a \"'\" within a value is written as \\'");
    }
    if (!isQuoted) checkSeparators(name, raw, QUOTE);
    const value = raw.replace(/\\(.)/gs, "$1");
    if (value.includes("\0")) throw Fault.credential("the connection text holds a zero byte");
    setParameter(parts, name, value, { isAfterPassword });
    isAfterPassword ||= name === "password";
  }
  return parts;
}
