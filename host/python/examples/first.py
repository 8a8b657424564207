"""What is wrong with the pool of DATABASE_URL? Worst first.

DATABASE_URL=postgres://operator@db.example.com/shop python first.py
"""

import sys

from archon_pool import ConnectionPool

with ConnectionPool() as pool:
    answer = pool.run({"action": "full-analysis"})

if not answer["success"]:
    sys.exit(answer["error"]["message"])
report = answer["data"]
print(report["poolStats"]["connections"]["total"], "sessions")
for recommendation in report["recommendations"]:
    print("-", recommendation)
