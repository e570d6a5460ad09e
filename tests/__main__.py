"""Check everything, or the parts asked for: ``python -m tests --help``."""

import argparse
import subprocess
import sys

from tests.imports import ROOT

SOURCES = ("tabular_labels", "tests", "benchmarks", "conftest.py")


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen checks one after the other; all of them when none is chosen.

    Returns:
        0 when every check passed, 1 otherwise. A failing check does not stop the next.
    """
    options = read_options(arguments)
    chosen = [name for name in ("format", "lint", "types", "tests") if getattr(options, name)]
    commands = check_commands(fix=options.fix)
    failed = [
        name
        for name in chosen or list(commands)
        if not run(name, [*commands[name], *(options.pytest if name == "tests" else [])])
    ]
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed", flush=True)
    return 1 if failed else 0


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line; words after ``--`` go to pytest."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("--format", action="store_true", help="layout of the code (ruff format)")
    parser.add_argument("--lint", action="store_true", help="ruff check")
    parser.add_argument("--types", action="store_true", help="mypy --strict")
    parser.add_argument("--tests", action="store_true", help="pytest, with doctests")
    parser.add_argument("--fix", action="store_true", help="let ruff change files")
    parser.add_argument("pytest", nargs="*", help="after --: arguments for pytest")
    return parser.parse_args(arguments)


def check_commands(*, fix: bool) -> dict[str, list[str]]:
    """Spell the command of each check, cheapest first."""
    sources = [name for name in SOURCES if (ROOT / name).exists()]
    return {
        "format": ["ruff", "format", *([] if fix else ["--check"]), "."],
        "lint": ["ruff", "check", *(["--fix"] if fix else []), "."],
        "types": ["mypy", *sources],
        "tests": ["pytest"],
    }


def run(name: str, command: list[str]) -> bool:
    """Run one check from the project's root and tell whether it passed."""
    print(f"== {name}: {' '.join(command)}", flush=True)
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
