"""One refresh of pg_activity without its screen: what its own program asks for, by its own functions.

With the argument `repeat` one refresh for each line of the standard input, all in one session.
"""

import sys

from pgactivity.data import Data
from psycopg.conninfo import conninfo_to_dict


def refresh(data: Data) -> None:
    statements = data.pg_get_activities() + data.pg_get_waiting() + data.pg_get_blocking()
    print(len(statements), "statements", flush=True)


to = conninfo_to_dict(sys.argv[1])
data = Data.pg_connect(
    host=to["host"], port=int(to["port"]), user=to["user"], password=to["password"], database=to["dbname"]
)
if sys.argv[2:] == ["repeat"]:
    for _ in sys.stdin:
        data.pg_get_server_information()
        refresh(data)
else:
    data.pg_get_server_information()
    refresh(data)
