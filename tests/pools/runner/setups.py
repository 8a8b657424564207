"""Reads the set-ups and groups them into mixes."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

MODES = ("direct", "bouncer-session", "bouncer-transaction")


@dataclasses.dataclass
class Setup:
    """Application with one pool library and one behaviour; fields as in PROTOCOL.md."""

    id: str
    mix: str
    library: str
    behaviour: str
    label: str
    language: str
    lose: int = 0
    mode: str = "direct"
    name: str = "id"
    role: str = "own"
    address: str = "shared"
    database: str = "shop"
    size: int = 5
    min: int | None = None
    workers: int = 2
    pace_ms: int = 1500
    first_loss_s: float = 12
    loss_every_s: float = 12
    period_s: float = 40
    processes: int = 1
    start_s: float = 0
    stop_s: float | None = None
    freeze_s: float | None = None
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def user(self) -> str:
        """Role that it logs in as."""
        return self.id if self.role == "own" else self.role

    @property
    def application_name(self) -> str | None:
        """Name to set; None leaves the driver's default."""
        if self.name.startswith("="):
            return self.name[1:]
        return {"id": self.id, "default": None, "empty": "", "pid": self.id + "-{pid}"}[self.name]


@dataclasses.dataclass
class Mix:
    """Set-ups that run side by side on one server."""

    name: str
    setups: list[Setup]
    looks: int = 12
    interval_s: float = 12

    @property
    def mode(self) -> str:
        """Mode of its PgBouncer, or `direct` if it has none."""
        return next((setup.mode for setup in self.setups if setup.mode != "direct"), "direct")

    @property
    def duration_s(self) -> float:
        """Time from the first client to the last look."""
        return self.looks * self.interval_s


def read(folder: Path) -> list[Mix]:
    """Returns the mixes of all `LANGUAGE.toml` in a folder, in their order there."""
    mixes: dict[str, Mix] = {}
    ids = set()
    for file in sorted(folder.glob("*.toml")):
        content = tomllib.loads(file.read_text())
        for row in content["setup"]:
            try:
                setup = Setup(language=file.stem, **row)
            except TypeError as error:
                raise ValueError(f"{file.name}: {row.get('id')}: {error}") from None
            check(setup, ids)
            mixes.setdefault(setup.mix, Mix(setup.mix, [])).setups.append(setup)
        for name, fields in content.get("mix", {}).items():
            for field, value in fields.items():
                setattr(mixes[name], field, value)
    for mix in mixes.values():
        if len({setup.mode for setup in mix.setups} - {"direct"}) > 1:
            raise ValueError(f"mix {mix.name}: a mix has one PgBouncer, in one mode")
    return list(mixes.values())


def check(setup: Setup, ids: set[str]) -> None:
    """Refuses a set-up that cannot be played."""
    if setup.id in ids:
        raise ValueError(f"set-up {setup.id} is listed twice")
    ids.add(setup.id)
    if setup.mode not in MODES:
        raise ValueError(f"set-up {setup.id}: mode is one of {', '.join(MODES)}")
    if setup.workers > setup.size:
        raise ValueError(f"set-up {setup.id}: more workers than sessions")
