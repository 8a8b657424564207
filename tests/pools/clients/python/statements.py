"""Statements of the applications: several services, each with a few code paths."""

import random
import re

SERVICES = {
    "shop": [
        ["SELECT id, name, stock FROM items WHERE id = %s", "SELECT count(*) FROM orders WHERE item = %s"],
        [
            "SELECT stock FROM items WHERE id = %s FOR UPDATE",
            "UPDATE items SET stock = stock - 1 WHERE id = %s",
            "INSERT INTO orders (item, quantity) VALUES (%s, 1) RETURNING id",
        ],
        ["SELECT name FROM items WHERE id > %s ORDER BY id LIMIT 20"],
        ["SELECT o.id, i.name FROM orders o JOIN items i ON i.id = o.item WHERE i.id = %s ORDER BY o.at DESC LIMIT 5"],
    ],
    "billing": [
        ["SELECT item, sum(quantity) FROM orders WHERE item = %s GROUP BY item"],
        [
            "SELECT max(id) FROM orders WHERE item = %s",
            "INSERT INTO jobs (payload, done) VALUES ('invoice ' || %s::text, false)",
        ],
        ["SELECT id, payload FROM jobs WHERE id = %s"],
    ],
    "stock": [
        ["SELECT id, stock FROM items WHERE id BETWEEN %s AND %s + 5"],
        ["UPDATE items SET stock = stock + 10 WHERE id = %s"],
        ["SELECT sum(stock) FROM items WHERE id < %s"],
    ],
    "jobs": [
        [
            "SELECT id FROM jobs WHERE NOT done AND id > %s ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
            "UPDATE jobs SET done = true WHERE id = %s",
        ],
        ["INSERT INTO jobs (payload, done) VALUES (%s::text, false)"],
        ["DELETE FROM jobs WHERE done AND id < %s - 900"],
    ],
    "reports": [
        ["SELECT date_trunc('minute', at), count(*) FROM orders WHERE item > %s GROUP BY 1"],
        ["SELECT i.name, count(o.id) FROM items i LEFT JOIN orders o ON o.item = i.id WHERE i.id = %s GROUP BY i.name"],
    ],
    "search": [
        ["SELECT id, name FROM items WHERE name LIKE '%%' || %s::text LIMIT 10"],
        ["SELECT id FROM items WHERE lower(name) = 'item ' || %s::text", "SELECT count(*) FROM items WHERE stock > %s"],
        ["SELECT name, length(name) FROM items WHERE id = %s"],
    ],
}

Path = list[tuple[str, list[int]]]


class Work:
    """Draws pieces of work of one service."""

    def __init__(self, service: str | None, seed: int):
        names = sorted(SERVICES)
        self.paths = SERVICES[service or names[seed // 100 % len(names)]]
        self.random = random.Random(seed)

    def draw(self) -> Path:
        """Returns the statements of a code path with their parameters."""
        path = self.random.choice(self.paths)
        number = self.random.randint(1, 990)
        return [(sql, [number] * sql.count("%s")) for sql in path]


def numbered(sql: str, sign: str = "$") -> str:
    """Returns a statement with numbered parameters in place of `%s`."""
    count = iter(range(1, 100))
    return re.sub(r"%s", lambda _: f"{sign}{next(count)}", sql).replace("%%", "%")
