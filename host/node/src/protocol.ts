// What the two threads say to each other.

import type { FaultRecord } from "./fault.js";
import type { ImportName, Imports, Resource } from "./imports.js";

/** An export of a component: its interface and its function. */
export type ExportName = readonly [of: string, method: string];

/** What a thread with a component starts with. */
export interface Start {
  /** The module that jco wrote. */
  entry: string;
  /** The core modules that it asks for. */
  cores: Record<string, WebAssembly.Module>;
  exported: ExportName;
  argument: unknown;
  /** Rings when an import was answered. */
  signal: SharedArrayBuffer;
  /** Limits on what the component gives the host, in one import and as its answer. */
  requestBytes: number;
  reportBytes: number;
}

/** What the component's thread says. */
export type FromGuest =
  | { type: "begun" }
  | { type: "import"; name: ImportName; args: Imports[ImportName][0] }
  | { type: "drop"; resource: Resource; handle: number }
  | { type: "returned"; value: unknown }
  | { type: "refused"; fault: FaultRecord }
  | { type: "trapped"; message: string };

/** What it is answered. */
export type ToGuest = { ok: unknown } | { err: FaultRecord };
