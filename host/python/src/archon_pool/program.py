"""The command `archon-connection-pool`: runs the program archon-pool, which is installed by itself.

`uvx archon-connection-pool mcp` is the command in server.json.
"""

from __future__ import annotations

import os
import sys

#: What the program itself returns when it cannot run.
UNABLE = 3


def main() -> None:
    """Replace this process by the program, with the arguments that are given."""
    program = os.environ.get("ARCHON_POOL_PROGRAM") or "archon-pool"
    try:
        os.execvp(program, [program, *sys.argv[1:]])  # noqa: S606 - the user's own program, without a shell
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "unknown error"
        sys.stderr.write(
            f"error: {program} could not be started ({reason}): install it, or set ARCHON_POOL_PROGRAM to its path\n"
        )
        sys.exit(UNABLE)
