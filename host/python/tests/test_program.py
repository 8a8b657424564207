from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import archon_pool

RUN = [sys.executable, "-c", "from archon_pool.program import main; main()"]


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ARCHON_POOL_PROGRAM": str(program)}
    return subprocess.run([*RUN, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_the_program_gets_the_arguments_and_gives_its_status(tmp_path: Path) -> None:
    program = tmp_path / "archon-pool"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 7\n')
    program.chmod(0o700)
    done = run(program, "mcp", "--credential", "a b")
    assert (done.returncode, done.stdout) == (7, "mcp\n--credential\na b\n")


def test_a_missing_program_is_named_with_the_variable(tmp_path: Path) -> None:
    done = run(tmp_path / "nothing", "mcp")
    assert done.returncode == 3
    assert "ARCHON_POOL_PROGRAM" in done.stderr


def test_the_package_describes_the_server_that_its_command_starts() -> None:
    server = json.loads((Path(archon_pool.__file__).parent / "server.json").read_text())
    package = next(package for package in server["packages"] if package["registryType"] == "pypi")
    assert package["identifier"] == "archon-connection-pool"
    assert [argument["value"] for argument in package["packageArguments"]] == ["mcp"]


def test_the_description_conforms_to_the_schema_of_the_registry(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_bytes((Path(archon_pool.__file__).parent / "server.json").read_bytes())
    linted = subprocess.run(
        [sys.executable, "-m", "skillsaw", "lint", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout
    assert "mcp-registry" in linted.stdout
