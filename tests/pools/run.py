#!/usr/bin/env python3
"""Plays set-ups of real pool libraries and records them for archon-pool, with the truth; see PROTOCOL.md.

run.py                      all mixes that have no recording yet
run.py --mix python-1       this mix, again
run.py --table              the classifications of all recordings
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from runner import setups, table
from runner.mix import Play

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target")).resolve()
# Server and clients need this long to start, beside the looks.
OVERHEAD_S = 45


def main() -> int:
    options = arguments()
    mixes = setups.read(HERE / "setups")
    if options.mix:
        unknown = set(options.mix) - {mix.name for mix in mixes}
        if unknown:
            sys.exit(f"run.py: no set-up is in mix {', '.join(sorted(unknown))}")
        mixes = [mix for mix in mixes if mix.name in options.mix]
    options.output.mkdir(parents=True, exist_ok=True)
    if options.child:
        return play(mixes[0], options)
    if not options.table:
        left = [mix for mix in mixes if options.mix or not (options.output / f"{mix.name}.truth.json").exists()]
        missing = install({setup.language for mix in left for setup in mix.setups}, options.output)
        failed = schedule([mix for mix in left if not {setup.language for setup in mix.setups} & missing], options)
    else:
        failed, missing = [], set()
    print(
        table.markdown(
            options.output, [mix.name for mix in mixes if (options.output / f"{mix.name}.truth.json").exists()]
        )
    )
    for language in sorted(missing):
        print(f"run.py: the clients of {language} cannot be installed", file=sys.stderr)
    for name in failed:
        print(f"run.py: mix {name} was not recorded", file=sys.stderr)
    return 1 if failed or missing else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mix", action="append", help="play this mix, even if it is recorded; repeatable")
    parser.add_argument("--program", type=Path, default=TARGET / "debug/archon-pool", help="archon-pool to use")
    parser.add_argument("--output", type=Path, default=TARGET / "pools", help="folder of the recordings")
    parser.add_argument("--jobs", type=int, default=4, help="mixes that run at the same time")
    parser.add_argument("--limit", type=int, default=1800, help="seconds after which no mix may still run")
    parser.add_argument("--table", action="store_true", help="play nothing")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.output, options.program = options.output.resolve(), options.program.resolve()
    return options


def install(languages: set[str], output: Path) -> set[str]:
    """Installs the clients; returns the languages for which that failed."""
    return {
        language
        for language in sorted(languages)
        if subprocess.run([HERE / "clients" / language / "install.sh", output / "clients" / language]).returncode
    }


def schedule(waiting: list[setups.Mix], options: argparse.Namespace) -> list[str]:
    """Plays mixes in processes of their own, some at a time; returns those that failed or did not fit the limit."""
    end = time.monotonic() + options.limit
    running: dict[str, subprocess.Popen] = {}
    failed: list[str] = []
    try:
        while waiting or running:
            while waiting and len(running) < options.jobs:
                mix = waiting.pop(0)
                if time.monotonic() + mix.duration_s + OVERHEAD_S > end:
                    failed.append(mix.name)
                    continue
                print(
                    f"run.py: {mix.name}: {len(mix.setups)} set-ups, {mix.duration_s:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
                command = [
                    "setpriv",
                    "--pdeathsig",
                    "TERM",
                    "--",
                    sys.executable,
                    "-B",
                    __file__,
                    "--child",
                    "--mix",
                    mix.name,
                ]
                command += ["--program", str(options.program), "--output", str(options.output)]
                running[mix.name] = subprocess.Popen(command)
            for name, child in list(running.items()):
                if child.poll() is not None:
                    del running[name]
                    if child.returncode:
                        failed.append(name)
            time.sleep(0.2)
    finally:
        for child in running.values():
            child.terminate()
        for child in running.values():
            child.wait()
    return failed


def play(mix: setups.Mix, options: argparse.Namespace) -> int:
    (options.output / f"{mix.name}.truth.json").unlink(missing_ok=True)
    result = Play(mix, options.program, HERE, options.output).run()
    for problem in result["problems"]:
        print(f"run.py: {mix.name}: {problem}", file=sys.stderr)
    return 0


def interrupted(number: int, _frame: object) -> None:
    # A second signal must not interrupt the cleaning up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    sys.exit(main())
