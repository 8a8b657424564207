// Consent before anything is signalled or changed.

import type { Order } from "./guard/order.js";

/** Action that is about to be done, and its target. */
export interface Proposal {
  server: string;
  database: string;
  /** Role that the session is logged in as. */
  role: string;
  /** Component that requests the action. */
  component: string;
  act:
    | { type: "end"; orders: readonly Order[]; atMost: number }
    | { type: "resize"; pool: string | null; before: number; size: number; reason: string }
    | { type: "reconnect"; database: string; reason: string };
}

/** `true`, or the reason for a refusal. */
export type Decision = boolean | string;

/** Callback that decides about an action. The call's deadline continues meanwhile. */
export type Consent = (proposal: Proposal) => Decision | Promise<Decision>;

/** Returns the reason for a refusal; undefined when consent was given or is not required. */
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
