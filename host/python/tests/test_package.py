"""The wheel and the sdist install into an empty environment, and run the first example there."""

from __future__ import annotations

import os
import subprocess
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from cluster import Database

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def dist() -> Path:
    folder = os.environ.get("ARCHON_POOL_DIST")
    assert folder, "ARCHON_POOL_DIST is not set: run `make test-python`"
    return Path(folder)


def test_both_have_the_component_and_its_guard(dist: Path) -> None:
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    with tarfile.open(sdist) as archive:
        names_of_sdist = archive.getnames()
    for file in ("pool-manager.wasm", "pool-analyser.wasm", "guard.json"):
        assert f"archon_pool/components/{file}" in names
        assert any(name.endswith(f"src/archon_pool/components/{file}") for name in names_of_sdist)
    assert "archon_pool/py.typed" in names


def test_the_wheel_runs_the_first_example_in_an_empty_environment(
    dist: Path, database: Database, tmp_path: Path
) -> None:
    (wheel,) = dist.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    subprocess.run(install, check=True, env=clean)
    database.leak(3)
    first = [str(python), str(EXAMPLES / "first.py")]
    environment = {**clean, "DATABASE_URL": database.url}
    done = subprocess.run(first, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 sessions")
