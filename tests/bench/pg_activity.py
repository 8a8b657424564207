"""One refresh of pg_activity without its screen: what its own program asks for, by its own functions."""

import sys

from pgactivity.data import Data

data = Data.pg_connect(dsn=sys.argv[1])
information = data.pg_get_server_information()
found = data.pg_get_activities() + data.pg_get_waiting() + data.pg_get_blocking()
print(information.total_connections if hasattr(information, "total_connections") else information, len(found))
