// Messages between the host's thread and a component's thread.

import type { FaultRecord } from "./fault.js";
import type { ImportName, Imports, Resource } from "./imports.js";

/** Export of a component: interface and function. */
export type ExportName = readonly [of: string, method: string];

/** Start data of a component's thread. */
export interface Start {
  /** URL of the module that jco generated. */
  entry: string;
  /** Compiled core modules that it imports. */
  cores: Record<string, WebAssembly.Module>;
  exported: ExportName;
  argument: unknown;
  /** Notified when an import has been answered. */
  signal: SharedArrayBuffer;
  /** Limits on the data that the component passes to the host, in one import and as its result. */
  requestBytes: number;
  reportBytes: number;
}

/** Message of the component's thread. */
export type FromGuest =
  | { type: "begun" }
  | { type: "import"; name: ImportName; args: Imports[ImportName][0] }
  | { type: "drop"; resource: Resource; handle: number }
  | { type: "returned"; value: unknown }
  | { type: "refused"; fault: FaultRecord }
  | { type: "trapped"; message: string };

/** Answer to an import. */
export type ToGuest = { ok: unknown } | { err: FaultRecord };
