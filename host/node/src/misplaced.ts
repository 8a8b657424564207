// Secrets in a request where none belongs. The component gets everything but `supabaseUrl` and `supabaseKey`, so what
// was meant for those and stands elsewhere must not get so far.

import { holdsConnectionText } from "./connection-config/text.js";

/** Names of secrets, without regard to case and separators. */
const NAMES = new Set([
  "supabaseurl",
  "supabasekey",
  "supabaseaccesstoken",
  "supabasedburl",
  "pgbouncerurl",
  "password",
  "pgpassword",
  "passwd",
  "pwd",
  "pass",
  "passphrase",
  "secret",
  "clientsecret",
  "token",
  "accesstoken",
  "refreshtoken",
  "authtoken",
  "bearer",
  "apikey",
  "privatekey",
  "dsn",
  "databaseurl",
  "connectionstring",
  "connectionuri",
  "conninfo",
]);

/** Whether a field is, or holds anywhere inside, something named like a secret or a connection text. */
export function isSecret(name: string, value: unknown): boolean {
  return NAMES.has(name.replace(/[^A-Za-z0-9]/g, "").toLowerCase()) || holdsConnectionText(name) || holdsSecret(value);
}

/** Whether a value holds such a thing anywhere inside. */
export function holdsSecret(value: unknown): boolean {
  if (typeof value === "string") return holdsConnectionText(value);
  if (Array.isArray(value)) return value.some(holdsSecret);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, value]) => isSecret(name, value));
}
