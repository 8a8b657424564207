"""Files are written for their owner alone and through no link, and read only where they have an end."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path
from typing import Any, cast

import pytest

from archon_pool import ConnectionPool, FaultError, component, engine
from archon_pool.audit import Audit
from archon_pool.connection_config import OPERATOR, parts, resolve
from archon_pool.encryption import EncryptionError, context_of
from archon_pool.files import create_private, own_folder, replace_private
from archon_pool.limits import Limits


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_umask() -> Any:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_what_is_written_is_its_owner_s_alone_whatever_the_umask(tmp_path: Path) -> None:
    log, cassette, settings = tmp_path / "audit.jsonl", tmp_path / "calls.jsonl", tmp_path / "settings"
    Audit(path=log).write("x", {})
    os.close(create_private(cassette))
    replace_private(settings, b"1")
    replace_private(settings, b"2")
    assert {mode(path) for path in tmp_path.iterdir()} == {0o600}
    assert settings.read_bytes() == b"2" and len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("bits", [0o620, 0o602, 0o666])
def test_a_log_that_others_can_write_is_refused(tmp_path: Path, bits: int) -> None:
    log = tmp_path / "audit.jsonl"
    log.touch()
    log.chmod(bits)
    with pytest.raises(FaultError, match=r"audit-failed: .* can be written by others: run `chmod go-w` on it"):
        Audit(path=log).write("x", {})
    assert log.read_bytes() == b""


def test_a_log_that_others_can_read_is_the_operator_s_choice(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.touch()
    log.chmod(0o644)
    Audit(path=log).write("x", {})
    assert log.read_text().count("\n") == 1


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    other, link = tmp_path / "other", tmp_path / "link"
    other.write_bytes(b"precious")
    for target in (other, tmp_path / "dangling"):
        link.symlink_to(target)
        with pytest.raises(FaultError, match=r"audit-failed: .* is a link"):
            Audit(path=link).write("x", {})
        with pytest.raises(FileExistsError):
            ConnectionPool(environment=False, record=link)
        link.unlink()
    assert other.read_bytes() == b"precious" and not (tmp_path / "dangling").exists()
    link.symlink_to(other)
    replace_private(link, b"fresh")
    assert other.read_bytes() == b"precious" and link.read_bytes() == b"fresh" and not link.is_symlink()


def test_a_recording_overwrites_nothing(tmp_path: Path) -> None:
    cassette = tmp_path / "calls.jsonl"
    cassette.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        ConnectionPool(environment=False, record=cassette)
    assert cassette.read_bytes() == b"precious"


def test_a_pipe_holds_nobody_up(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    started = time.monotonic()
    with pytest.raises(FaultError, match="audit-failed"):
        Audit(path=pipe).write("x", {})
    for parameters in (f"sslmode=verify-full&sslrootcert={pipe}", f"sslmode=require&sslrootcert={pipe}"):
        with pytest.raises(EncryptionError, match="no regular file"):
            context_of(resolve(parts(f"postgres://u@h/d?{parameters}"), OPERATOR))
    certified = resolve(parts(f"postgres://u@h/d?sslmode=require&sslcert={pipe}&sslkey={pipe}"), OPERATOR)
    with pytest.raises(EncryptionError, match="no regular file"):
        context_of(certified)
    notes = resolve(parts(f"postgres://u@h/d?passfile={pipe}"), OPERATOR).notes
    assert any("it is no regular file" in note for note in notes)
    with pytest.raises(EncryptionError, match="no regular file"):
        context_of(resolve(parts("postgres://u@h/d?sslmode=verify-ca&sslrootcert=/dev/zero"), OPERATOR))
    assert time.monotonic() - started < 5


@contextlib.contextmanager
def compiled_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    made = engine.Engine(component.file(component.ANALYSER), Limits())
    try:
        yield home / "archon-pool" / "python"
    finally:
        made.close()


def test_compiled_code_is_kept_in_a_folder_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with compiled_in(tmp_path, monkeypatch) as folder:
        assert mode(folder) == 0o700 and mode(folder / "cache.toml") == 0o600
        assert list((folder / "compiled").rglob("*")), "the next start finds it"


@pytest.mark.parametrize("bits", [0o770, 0o755, 0o707])
def test_compiled_code_is_loaded_from_no_folder_that_others_can_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int
) -> None:
    folder = tmp_path / "archon-pool" / "python"
    folder.mkdir(parents=True)
    folder.chmod(bits)
    with compiled_in(tmp_path, monkeypatch):
        assert list(folder.iterdir()) == []


def test_compiled_code_is_loaded_from_no_folder_that_others_can_replace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    assert own_folder(shared / "mine") is None
    with compiled_in(shared, monkeypatch) as folder:
        assert list(folder.iterdir()) == []
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(elsewhere)
    assert own_folder(tmp_path / "link") is None
    assert own_folder(elsewhere) == elsewhere


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_is_not_trusted(tmp_path: Path) -> None:
    log, folder = tmp_path / "audit.jsonl", tmp_path / "folder"
    log.touch(mode=0o600)
    folder.mkdir(mode=0o700)
    for path in (log, folder):
        os.chown(path, 12_345, 12_345)
    with pytest.raises(FaultError, match="belongs to another user"):
        Audit(path=log).write("x", {})
    assert own_folder(folder) is None


def test_an_audit_that_fails_lets_nothing_happen(tmp_path: Path) -> None:
    with pytest.raises(FaultError) as raised:
        Audit(path=tmp_path / "no" / "such" / "folder").write("x", {})
    assert cast(Any, raised.value).fault.kind == "audit-failed"
