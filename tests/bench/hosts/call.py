"""One analysis of DATABASE_URL for each line of the standard input."""

import sys

from archon_pool import ConnectionPool

with ConnectionPool() as pool:
    for _ in sys.stdin:
        answer = pool.run({"action": "detect-leaks", "options": {"sampleMs": 0}})
        print("report" if answer["success"] else answer["error"], flush=True)
