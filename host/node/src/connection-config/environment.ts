// libpq's environment variables, as settings.

import { Fault } from "../fault.js";
import { isParameter, setParameter } from "./parameters.js";
import type { Parts } from "./parts.js";

/** Environment variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Parameter of each variable. Variables without an effect here are omitted. */
const VARIABLES: Readonly<Record<string, string>> = {
  PGHOST: "host",
  PGHOSTADDR: "hostaddr",
  PGPORT: "port",
  PGDATABASE: "dbname",
  PGUSER: "user",
  PGPASSWORD: "password",
  PGPASSFILE: "passfile",
  PGSERVICE: "service",
  PGSERVICEFILE: "servicefile",
  PGOPTIONS: "options",
  PGSSLMODE: "sslmode",
  PGREQUIRESSL: "requiressl",
  PGSSLNEGOTIATION: "sslnegotiation",
  PGSSLCERT: "sslcert",
  PGSSLKEY: "sslkey",
  PGSSLCERTMODE: "sslcertmode",
  PGSSLROOTCERT: "sslrootcert",
  PGSSLCRL: "sslcrl",
  PGSSLCRLDIR: "sslcrldir",
  PGSSLMINPROTOCOLVERSION: "ssl_min_protocol_version",
  PGSSLMAXPROTOCOLVERSION: "ssl_max_protocol_version",
  PGGSSENCMODE: "gssencmode",
  PGREQUIREAUTH: "require_auth",
  PGREQUIREPEER: "requirepeer",
  PGCHANNELBINDING: "channel_binding",
  PGCONNECT_TIMEOUT: "connect_timeout",
  PGTARGETSESSIONATTRS: "target_session_attrs",
  PGMINPROTOCOLVERSION: "min_protocol_version",
};

/** Variables each of which is enough to name a server. */
export const PLACES = ["PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE"] as const;

/** Returns true if the variables name a server, and not only settings. */
export function namesPlace(environment: Environment): boolean {
  return PLACES.some((name) => environment[name]);
}

/** Reads the settings from libpq's variables. Faults name the variable. */
export function parseEnvironment(environment: Environment): Parts {
  const parts: Parts = {};
  for (const [variable, parameter] of Object.entries(VARIABLES)) {
    const value = environment[variable];
    if (value) setVariable(parts, variable, parameter, value);
  }
  // Variables also serve other programs, so ignored ones need no note.
  delete parts.notes;
  return parts;
}

function setVariable(parts: Parts, variable: string, parameter: string, value: string): void {
  if (!isParameter(parameter)) throw new Error(`there is no parameter ${parameter}`);
  try {
    setParameter(parts, parameter, value);
  } catch (fault) {
    throw fault instanceof Fault ? fault.saying(`${variable}: ${fault.message}`) : fault;
  }
}
