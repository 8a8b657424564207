"""Prints what archon-pool said about each set-up of a mix, beside the truth."""

import json
from pathlib import Path
from typing import Any

SUSPECT = 80
COLUMNS = ("set-up", "label", "sessions", "lost", "found", "lost: highest", "innocent: highest", "wrong at any look")


def rows(output: Path, mix: str) -> list[tuple[str, ...]]:
    """Returns a row for each set-up, and one for the pooler's own sessions if there are any."""
    truth = json.loads((output / f"{mix}.truth.json").read_text())
    scored = json.loads((output / f"{mix}.scored.json").read_text())
    labels = {part["kind"]: part["label"] for part in truth["parts"]}
    labels |= {"pooler": "server processes that a pooler holds", "unknown": "not attributed"}
    return [
        row(kind, label, truth["looks"], [look["scored"] for look in scored])
        for kind, label in labels.items()
        if kind not in ("pooler", "unknown") or any(kind in look["sessions"].values() for look in truth["looks"])
    ]


def row(kind: str, label: str, looks: list[dict[str, Any]], scored: list[dict[str, Any]]) -> tuple[str, ...]:
    seen: set[str] = set()
    wrong: set[str] = set()
    for look, scores in zip(looks, scored, strict=True):
        lost = {str(entry["pid"]) for entry in look["lost"] if entry["kind"] == kind}
        # In transaction mode a lost server process is its client's, and the pooler's before.
        others = {str(entry["pid"]) for entry in look["lost"] if entry["kind"] != kind}
        mine = {pid for pid, part in look["sessions"].items() if part == kind and pid not in others} | lost
        seen |= mine
        wrong |= {pid for pid in mine - lost if confidence(scores, pid) >= SUSPECT}
    innocent = mine - lost
    found = sum(confidence(scores, pid) >= SUSPECT for pid in lost)
    return (
        kind,
        label,
        str(len(seen)),
        str(len(lost)),
        str(found),
        highest(scores, lost),
        highest(scores, innocent),
        str(len(wrong)),
    )


def confidence(scores: dict[str, Any], pid: str) -> int:
    return scores.get(pid, {"confidence": 0})["confidence"]


def highest(scores: dict[str, Any], pids: set[str]) -> str:
    return f"{max(confidence(scores, pid) for pid in pids)} %" if pids else "-"


def markdown(output: Path, mixes: list[str]) -> str:
    """Returns one table for several mixes."""
    listed = [row for mix in mixes for row in rows(output, mix)]
    # Numbers of sessions, lost ones, found ones, and innocent ones that were suspects at any look.
    sums = [sum(int(row[column]) for row in listed) for column in (2, 3, 4, 7)]
    total = ("all", "", *map(str, sums[:3]), "", "", str(sums[3]))
    lines = [COLUMNS, ("---",) * len(COLUMNS), *listed, total]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
