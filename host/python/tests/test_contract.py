"""What is generated or written down here is what the component says about itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import archon_pool
from archon_pool import ConnectionPool, component, faults
from archon_pool.guard_spec import guard

HERE = Path(__file__).parent


def described() -> Any:
    with ConnectionPool(environment=False) as pool:
        return pool.describe()


def test_the_typed_dicts_are_current() -> None:
    command = [sys.executable, str(HERE.parent / "generate_contract.py"), str(component.file(component.MANAGER))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    current = (HERE.parent / "src" / "archon_pool" / "contract.py").read_text()
    assert done.stdout == current, f"stale: run {' '.join(command)} > src/archon_pool/contract.py"


def test_the_defaults_of_sizes_are_the_contract_s() -> None:
    options = described()["input"]["$defs"]["RawOptions"]["properties"]
    sizing = {name: rule.default for name, rule in guard().sizing.items()}
    for name, default in {**sizing, **guard().request}.items():
        found = re.search(r"Default (\d+)", options[name]["description"])
        assert found and int(found[1]) == default, name


def test_every_kind_of_fault_is_well_known() -> None:
    own = {"cassette-mismatch", "host-failed"}
    kinds = {value for name, value in vars(faults).items() if name.isupper() and isinstance(value, str)}
    assert kinds - own <= set(described()["faults"])


def test_the_package_says_which_contract_it_is_of() -> None:
    assert described()["version"] == "1.0.0"
    assert set(archon_pool.__all__) <= set(dir(archon_pool))
