"""The caps per hour hold across processes of one user, or the report says that they do not."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

import pytest
from cluster import Database
from lending import lent, opened, orders

from archon_pool import FaultError, shared_hour
from archon_pool.guard.policy import Hourly
from archon_pool.shared_hour import SharedHour, recent

MOST = 20
TAKE = """
import sys
from pathlib import Path
from archon_pool.guard.policy import Hourly
from archon_pool.shared_hour import SharedHour
hourly = Hourly(SharedHour(Path(sys.argv[1])))
sys.stdout.write(str(sum(hourly.take("order h d", 1, int(sys.argv[2])) for _ in range(15))))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_processes_share_one_cap(folder: Path) -> None:
    command = [sys.executable, "-c", TAKE, str(folder), str(MOST)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(process.communicate()[0]) for process in processes) == MOST
    hourly = Hourly(SharedHour(folder))
    assert (hourly.left("order h d", MOST), hourly.left("order h other", MOST)) == (0, MOST)
    hourly.give_back("order h d", 3)
    assert Hourly(SharedHour(folder)).take("order h d", 5, MOST) == 3
    assert "order" not in (folder / "hour.json").read_text()


def test_threads_share_one_cap(folder: Path) -> None:
    hourly, granted = Hourly(SharedHour(folder)), list[int]()
    threads = [threading.Thread(target=lambda: granted.append(hourly.take("p", 3, MOST))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == MOST


def test_an_hour_ends_and_a_clock_that_was_set_back_forgets_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hourly, now = Hourly(SharedHour(folder)), time.time()
    assert hourly.take("p", MOST, MOST) == MOST
    monkeypatch.setattr(time, "time", lambda: now - 600)
    assert hourly.left("p", MOST) == 0
    monkeypatch.setattr(time, "time", lambda: now + shared_hour.HOUR_S + 5)
    assert hourly.left("p", MOST) == MOST
    assert recent([]) == []


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"a": 1}', '{"a": ["x"]}', "[" * 1_000])
def test_a_book_that_is_damaged_is_not_taken_for_an_empty_one(folder: Path, damage: str) -> None:
    hourly = Hourly(SharedHour(folder))
    assert hourly.take("p", 5, MOST) == 5
    (folder / "hour.json").write_text(damage)
    assert hourly.take("p", MOST, MOST) == MOST, "this process counts for itself"
    assert hourly.take("p", MOST, MOST) == 0
    assert "is damaged: remove it" in str(hourly.note)
    assert (folder / "hour.json").read_text() == damage


def test_a_report_says_when_a_process_counts_alone(database: Database, folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    with lent(database.url, hourly=Hourly(SharedHour(folder))) as live:
        (note,) = live.session_notes(opened(live))
    assert "count the calls of this process alone" in note
    folder.chmod(0o700)
    for request in ({"action": "kill-idle"}, {"action": "monitor"}):
        with lent(database.url, request, hourly=Hourly(SharedHour(folder))) as live:
            assert live.session_notes(opened(live)) == []


def test_a_report_that_cannot_act_says_nothing_of_caps(database: Database, folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    monitor: Any = {"action": "monitor"}
    with lent(database.url, monitor, hourly=Hourly(SharedHour(folder))) as live:
        assert live.session_notes(opened(live)) == []


def test_nothing_is_sent_while_another_process_keeps_the_book(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_hour, "_PATIENCE_S", 0.05)
    hourly = Hourly(SharedHour(folder))
    assert hourly.take("p", 1, MOST) == 1
    pids = database.leak(1)
    with (folder / "hour.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(FaultError, match="cannot be counted while another process holds"):
            hourly.take("p", 1, MOST)
        hourly.give_back("p", 1)
        with lent(database.url, hourly=hourly) as live:
            (outcome,) = live.deliver(opened(live), orders(database, pids), False)
    assert outcome.case == "failed" and cast(Any, outcome.fault).kind == "not-approved"
    assert database.alive(pids) == pids
    assert hourly.left("p", MOST) == MOST - 1
