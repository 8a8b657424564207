// Secrets in a request where none belongs. The component gets everything but `supabaseUrl` and `supabaseKey`, so what
// was meant for those and stands elsewhere must not get so far.

import { guard } from "./components.js";
import { holdsConnectionText } from "./connection-config/text.js";

/** Whether a field is, or holds anywhere inside, something named like a secret or a connection text. */
export function isSecret(name: string, value: unknown): boolean {
  const plain = name.replace(/[^A-Za-z0-9]/g, "").toLowerCase();
  return guard().secretNames.includes(plain) || holdsConnectionText(name) || holdsSecret(value);
}

/** Whether a value holds such a thing anywhere inside. */
export function holdsSecret(value: unknown): boolean {
  if (typeof value === "string") return holdsConnectionText(value);
  if (Array.isArray(value)) return value.some(holdsSecret);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, value]) => isSecret(name, value));
}
