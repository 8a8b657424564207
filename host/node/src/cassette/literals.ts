// Removal of literals from statement texts in cassettes, so that no secret in them is recorded.
//
// Same algorithm as plugin/contract/src/statement_text.rs: a report shows no literal, so a cassette without them gives
// the same report.

import { description } from "../components.js";
import type { Item } from "../imports.js";
import { parseJson } from "../json.js";
import { type RowSet, withTexts } from "../row-set.js";
import type { Statement } from "../values.js";

/** Maximum length of a text in a report, characters. */
const LONGEST = 200;

/** Maximum size of a statistics document that is parsed, bytes. */
const MOST_BYTES = 16 << 20;

/** Maximum number of steps per text; each consumes a letter, a literal, a comment or a run of white space. */
const MOST_STEPS = 100_000;

/** Words that suggest that a text holds a secret. */
const TELLING = ["password", "secret", "token", "://"];

/** Column with the text of a session or a statement. */
const COLUMN = "query";

/** Returns answers with secrets removed, as a cassette may keep them. */
export function withoutSecrets(batch: readonly Statement[], items: readonly Item<RowSet>[]): Item<RowSet>[] {
  const statistics = description("pool-observer").statements.find(({ id }) => id === "statements")?.sql;
  return items.map((item, index) => {
    if (item.tag === "err") return item;
    const isDocument = batch[index]?.sql === statistics;
    const columns = item.val.columns.map((column) => {
      if (isDocument) return withTexts(column, keptDocument);
      return column.name === COLUMN ? withTexts(column, keptText) : column;
    });
    return { tag: "ok", val: { ...item.val, columns } };
  });
}

function keptText(text: string): string {
  const lowercase = text.toLowerCase();
  return TELLING.some((word) => lowercase.includes(word)) ? normalise(text) : text;
}

/**
 * Removes literals from the texts of the statistics document. Numbers stay as written: reformatting may change them.
 */
function keptDocument(text: string): string {
  try {
    parseJson(text, "a document", MOST_BYTES, "a document's own bound");
  } catch {
    return keptText(text);
  }
  return text.replace(/("query"\s*:\s*)("[^"\\]*(?:\\.[^"\\]*)*")/g, (whole, name: string, token: string) => {
    const query = JSON.parse(token) as string;
    const kept = keptText(query);
    return kept === query ? whole : name + JSON.stringify(kept);
  });
}

/** Replaces string, number and dollar-quoted literals by `?`, drops comments, folds white space. */
export function normalise(sql: string): string {
  let out = "";
  let at = 0;
  for (let step = 0; step < MOST_STEPS && at < sql.length && Buffer.byteLength(out) < LONGEST * 4; step++) {
    const rest = sql.slice(at);
    const first = String.fromCodePoint(rest.codePointAt(0) ?? 0);
    let length = first.length;
    if (rest.startsWith("--")) {
      const end = rest.indexOf("\n");
      length = end < 0 ? rest.length : end;
    } else if (rest.startsWith("/*")) {
      length = blockComment(rest);
    } else if (/\p{White_Space}/u.test(first)) {
      length = /^\p{White_Space}+/u.exec(rest)?.[0].length ?? 1;
      if (out !== "" && !out.endsWith(" ")) out += " ";
    } else if (first === "'") {
      // A one-letter prefix belongs to the literal; E allows backslash escapes.
      const prefix = /(?<![\p{Alphabetic}\p{N}_$])[ebxn]$/iu.exec(out)?.[0];
      if (prefix) out = out.slice(0, -1);
      out += "?";
      length = quoted(rest, "'", prefix?.toLowerCase() === "e");
    } else if (first === '"') {
      length = quoted(rest, '"', false);
      out += rest.slice(0, length);
    } else if (first === "$" && dollarQuoted(rest) > 0) {
      out += "?";
      length = dollarQuoted(rest);
    } else if (/[0-9]/.test(first) && !/[\p{Alphabetic}\p{N}_$]$/u.test(out)) {
      out += "?";
      length = /^[0-9A-Za-z.]+/.exec(rest)?.[0].length ?? 1;
    } else {
      out += first;
    }
    at += length;
  }
  const letters = [...out.replace(/\p{White_Space}+$/u, "")];
  return letters.length > LONGEST ? `${letters.slice(0, LONGEST).join("")}…` : letters.join("");
}

/**
 * Returns the length of a quoted token at the start; a doubled quote is an escape. A text cut by the server may lack
 * the end.
 */
function quoted(rest: string, quote: string, backslash: boolean): number {
  for (let at = 1; at < rest.length; at++) {
    if (backslash && rest[at] === "\\") at++;
    else if (rest[at] === quote) {
      if (rest[at + 1] !== quote) return at + 1;
      at++;
    }
  }
  return rest.length;
}

/** Returns the length of a dollar-quoted literal at the start, 0 if there is none. */
function dollarQuoted(rest: string): number {
  const tag = /^\$(?![0-9])[\p{Alphabetic}\p{N}_]*\$/u.exec(rest)?.[0];
  if (tag === undefined) return 0;
  const end = rest.indexOf(tag, tag.length);
  return end < 0 ? rest.length : end + tag.length;
}

/** Returns the length of a block comment at the start; comments nest. */
function blockComment(rest: string): number {
  let depth = 0;
  for (let at = 0; at < rest.length; at++) {
    if (rest.startsWith("/*", at)) {
      depth++;
      at++;
    } else if (rest.startsWith("*/", at)) {
      depth--;
      at++;
      if (depth === 0) return at + 1;
    }
  }
  return rest.length;
}
