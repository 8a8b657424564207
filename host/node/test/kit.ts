// Where the repository's conformance kit is.

import { fileURLToPath } from "node:url";

/** Folder of the kit: ARCHON_CONFORMANCE, or where this repository has it. */
export const kit =
  process.env.ARCHON_CONFORMANCE ?? fileURLToPath(new URL("../../../tests/conformance", import.meta.url));
