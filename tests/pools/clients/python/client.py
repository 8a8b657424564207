"""Client program: one application with one pool library, as the set-up in its first argument says."""

import importlib

from application import Application
from protocol import end_with_stdin, read_setup

LIBRARIES = {
    "psycopg": "with_psycopg",
    "psycopg-pool": "with_psycopg",
    "psycopg-async-pool": "with_psycopg_async",
    "psycopg2": "with_psycopg2",
    "psycopg2-pool": "with_psycopg2",
    "sqlalchemy": "with_sqlalchemy",
    "asyncpg": "with_asyncpg",
    "asyncpg-pool": "with_asyncpg",
    "django": "with_django",
}


def main() -> None:
    setup = read_setup()
    adapter = importlib.import_module(LIBRARIES[setup.library]).Library(setup)
    # Kept, since a pool without a reference is closed.
    application = Application(setup, adapter)
    application.run()
    end_with_stdin()


if __name__ == "__main__":
    main()
