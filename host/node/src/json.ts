// JSON parser for untrusted texts. Depth and number of values are checked before parsing, because parsed values take
// many times the memory of their text.

import { Fault } from "./fault.js";

/** Maximum nesting depth of arrays and objects. */
const DEEPEST = 64;

/** Bytes of the size limit that allow for one value. */
const BYTES_PER_VALUE = 8;

/** Parses a text of at most `most` bytes. In faults, `what` names the text and `bound` the limit. */
export function parseJson(text: string, what: string, most: number, bound: string): unknown {
  const tooMuch = (why: string) => Fault.limit(`${what} ${why}: ${bound}`);
  if (Buffer.byteLength(text) > most) throw tooMuch(`has more than ${most} bytes`);
  const { depth, values } = measure(text);
  if (depth > DEEPEST) throw tooMuch(`is nested more than ${DEEPEST} deep`);
  const room = Math.floor(most / BYTES_PER_VALUE);
  if (values > room) throw tooMuch(`has more than ${room} values`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Fault("unexpected-answer", `${what} is no JSON: ${(error as Error).message}`);
  }
}

/** Returns true if a value is nested no deeper than a parsed text may be. */
export function isShallow(value: unknown, deepest = DEEPEST): boolean {
  if (typeof value !== "object" || value === null) return true;
  return deepest > 0 && Object.values(value).every((inner) => isShallow(inner, deepest - 1));
}

/** Returns a text's depth and an upper bound of its values: one for each comma, bracket and brace. */
function measure(text: string): { depth: number; values: number } {
  let [depth, deepest, values] = [0, 0, 1];
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at + 1);
        break;
      case OPEN_BRACKET:
      case OPEN_BRACE:
        values++;
        deepest = Math.max(deepest, ++depth);
        break;
      case CLOSE_BRACKET:
      case CLOSE_BRACE:
        depth--;
        break;
      case COMMA:
        values++;
        break;
    }
  }
  return { depth: deepest, values };
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Returns the position of the quote that ends a string. */
function endOfString(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}
