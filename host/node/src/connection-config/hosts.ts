// Host names, and lists with one item per host.

import { isIP } from "node:net";
import { Fault } from "../fault.js";

/** Maximum number of hosts in a connection string. */
const MOST_HOSTS = 16;

/** Splits a list with one item per host. */
export function splitList(text: string): string[] {
  const items = text.split(",", MOST_HOSTS + 1);
  if (items.length > MOST_HOSTS) throw Fault.credential(`at most ${MOST_HOSTS} hosts may be named`);
  return items;
}

/** Returns the trimmed host. Throws for an invalid one before it reaches DNS or logs. */
export function checkHost(host: string): string {
  const name = host.trim();
  // A leading '@' is an abstract socket, which is refused once all sources are merged.
  if (name.indexOf("@") > 0) throw Fault.credential(AT_IN_HOST);
  const foreign = name.startsWith("/") ? OF_NO_FOLDER : OF_NO_HOST;
  if (foreign.test(withoutZone(name))) {
    const hint = "parameters begin with '?' in a URL, and with a blank in key=value text";
    throw Fault.credential(
      `the host holds a character that no host name has: ${hint}; if a password holds it, percent-encode it`,
    );
  }
  return name;
}

export const AT_IN_HOST = "the host holds an '@': give user and password apart from it";

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const OF_NO_FOLDER = /[\s\u0000-\u001f\u007f-\u009f&;=%"'`]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const OF_NO_HOST = /[\s\u0000-\u001f\u007f-\u009f&;=%"'`/\\?#<>]/;

/** Removes the zone of an IPv6 address, as in `fe80::1%eth0`. */
function withoutZone(host: string): string {
  const [, address = "", zone] = /^([^%]*)%([A-Za-z0-9]+)$/.exec(host) ?? [];
  return zone !== undefined && isIP(address) === 6 ? address : host;
}
