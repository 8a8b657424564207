"""One refresh of pg_activity without its screen: what its own program asks for, by its own functions."""

import sys

from pgactivity.data import Data
from psycopg.conninfo import conninfo_to_dict

to = conninfo_to_dict(sys.argv[1])
data = Data.pg_connect(
    host=to["host"], port=int(to["port"]), user=to["user"], password=to["password"], database=to["dbname"]
)
data.pg_get_server_information()
print(len(data.pg_get_activities() + data.pg_get_waiting() + data.pg_get_blocking()), "statements")
