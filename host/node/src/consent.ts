// Asking somebody before anything is signalled or changed.

import type { Order } from "./guard/order.js";

/** What is about to be done, and to whom. */
export interface Proposal {
  server: string;
  database: string;
  /** As whom the session is logged in. */
  role: string;
  /** The component that asks for it. */
  component: string;
  act:
    | { type: "end"; orders: readonly Order[]; atMost: number }
    | { type: "resize"; pool: string | null; before: number; size: number; reason: string }
    | { type: "reconnect"; database: string; reason: string };
}

/** `true`, or why not. */
export type Decision = boolean | string;

/** Decides. The call's deadline goes on while it does. */
export type Consent = (proposal: Proposal) => Decision | Promise<Decision>;

/** Why it is not to be done; none when somebody said yes, or nobody is to be asked. */
export async function whyNoConsent(consent: Consent | undefined, proposal: Proposal): Promise<string | undefined> {
  if (!consent) return undefined;
  try {
    const decision = await consent(proposal);
    if (decision === true) return undefined;
    return `consent was not given: ${typeof decision === "string" ? decision : "somebody said no"}`;
  } catch (error) {
    return `consent was not given: ${error instanceof Error ? error.message : "nobody could be asked"}`;
  }
}
