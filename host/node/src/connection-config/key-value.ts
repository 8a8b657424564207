// libpq's connection text: `host=… user=… password='it''s \' quoted'`.

import { Fault } from "../fault.js";
import { setParameter } from "./parameters.js";
import type { Parts } from "./parts.js";

const PAIR = /\s*([^=\s]+)\s*(?:=\s*(?:'((?:[^'\\]|\\.)*)'(?=\s|$)|((?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*)?))?/suy;

/** Parses `key=value` pairs without filling anything in. */
export function parsePairs(text: string): Parts {
  const parts: Parts = {};
  let isAfterPassword = false;
  for (let at = 0; /\S/.test(text.slice(at)); at = PAIR.lastIndex) {
    PAIR.lastIndex = at;
    const found = PAIR.exec(text);
    const [pair = "", name = "", quoted, plain] = found ?? [];
    if (!found || !pair.includes("=")) {
      throw Fault.credential("a '=' is missing after a word: quote a value that has blanks, as in password='a b'");
    }
    const value = (quoted ?? plain ?? "").replace(/\\(.)/gs, "$1");
    const isUnclosed = quoted === undefined && plain === undefined && /=\s*'$/.test(text.slice(at, PAIR.lastIndex + 1));
    if (isUnclosed) throw Fault.credential("a quote is not closed: a \"'\" within a value is written as \\'");
    if (value.includes("\0")) throw Fault.credential("the connection text holds a zero byte");
    setParameter(parts, name, value, { isAfterPassword });
    isAfterPassword ||= name === "password";
  }
  return parts;
}
