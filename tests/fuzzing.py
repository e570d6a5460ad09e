"""Fuzz the readers of JSON, manifests and ``.slp`` files for a while.

``python -m tests.fuzzing TARGET [--seconds N] [--seed N] [--keep FOLDER]`` tries inputs until
the time is over, prints how many, and keeps each that made a reader fail in another way than
by an error of ours. With atheris (``pip install atheris``) and ``--guided`` coverage guides it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import tabular_labels as tl
from tabular_labels.errors import TabularLabelsError, TabularLabelsWarning
from tabular_labels.io.json_read import parse_text
from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.model.checks import check_tables
from tabular_labels.testing.builders import make_tables
from tests.io.slp_fuzzing import damage
from tests.io.slp_fuzzing import judge as judge_slp

__all__ = ["TARGETS", "Target", "mutate_json"]

ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    2**31,
    2**32 - 1,
    2**63,
    -(2**63) - 1,
    10**400,
    0.5,
    float("nan"),
    float("inf"),
    "",
    "0",
    "-1",
    "../../etc/passwd",
    "\x00",
    "\ud800",
    "é" * 300,
    [],
    {},
    [[]],
    {"py/object": "os.system"},
    {"py/reduce": [{"py/type": "os.system"}, {"py/tuple": ["true"]}]},
]


class Target:
    """A reader with inputs to begin from.

    Args:
        folder: Where it may write.
    """

    is_json = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seeds = self.make_seeds()

    def make_seeds(self) -> list[bytes]:
        """Return sound inputs."""
        raise NotImplementedError

    def read(self, data: bytes) -> str:
        """Read an input; return what was answered, raise what should not be."""
        raise NotImplementedError

    def mutate(self, random_: random.Random) -> bytes:
        """Make another input out of one of the first."""
        seed = random_.choice(self.seeds)
        if self.is_json and random_.random() < 0.7:
            return mutate_json(seed, random_)
        return damage(seed, random_)


def mutate_json(data: bytes, random_: random.Random) -> bytes:
    """Replace, drop or repeat values somewhere in a JSON document."""
    document = json.loads(data)
    for _ in range(random_.choice([1, 1, 2, 5])):
        places = list(_places(document))
        if not places:
            break
        holder, key = random_.choice(places)
        match random_.choice(["odd", "odd", "odd", "drop", "repeat", "deep", "other"]):
            case "odd":
                holder[key] = random_.choice(ODD)
            case "drop":
                del holder[key]
            case "repeat" if isinstance(holder, list):
                holder.insert(key, holder[key])
            case "deep":
                value = holder[key]
                for _ in range(random_.choice([3, 100, 2000])):
                    value = [value]
                holder[key] = value
            case "other":
                other, name = random_.choice(places)
                if isinstance(other, dict) or name < len(other):
                    value = other.get(name) if isinstance(other, dict) else other[name]
                    # One that holds others might come to hold itself.
                    holder[key] = [] if isinstance(value, dict | list) else value
    return _dumped(document)


def _dumped(value: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b"[" * 100_000


def _places(value: Any) -> Any:
    """Go through all holders and keys of a document, without recursion."""
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])


class Json(Target):
    """SLEAP's JSON."""

    def make_seeds(self) -> list[bytes]:
        """Return documents of today and of older layouts."""
        tables = make_tables(4, n_videos=2, n_nodes=2, user_fraction=0.5, negative_fraction=0.2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TabularLabelsWarning)
            text = tl.Labels.from_tables(tables).to_json()
        old = json.loads(text)
        old["suggestions"] = {"0": [1, 2]}
        old["tracks"] = [{"spawned_on": 0, "name": "a"}] * 4
        return [text.encode(), json.dumps(old).encode()]

    def read(self, data: bytes) -> str:
        """Read it as bytes; what comes must be sound."""
        tables = parse_text(data)
        broken = check_tables(tables)
        assert not broken, f"read as tables that break rules: {broken}"
        return "tables"


class Manifest(Target):
    """The manifest of a Parquet project."""

    def make_seeds(self) -> list[bytes]:
        """Write a project and return its manifest."""
        self.project = self.folder / "project"
        tl.write_parquet(tl.Labels.from_tables(make_tables(6, n_nodes=2)), self.project)
        self.manifest = self.project / "versions" / "00000001.json"
        self.before = {path for path in self.folder.rglob("*") if path.is_file()}
        return [self.manifest.read_bytes()]

    def read(self, data: bytes) -> str:
        """Open the project and read it whole; nothing else may be touched."""
        self.manifest.write_bytes(data)
        source = open_parquet(self.project)
        broken = check_tables(source.load())
        assert not broken, f"read as tables that break rules: {broken}"
        return "tables"


class Slp(Target):
    """The ``.slp`` reader."""

    is_json = False

    def make_seeds(self) -> list[bytes]:
        """Write files of both layouts."""
        tables = make_tables(6, n_videos=2, n_nodes=3, user_fraction=0.3, shuffled=True)
        path = self.folder / "seed.slp"
        seeds = []
        for compat in ("today", "classic"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", TabularLabelsWarning)
                tl.write_slp(tl.Labels.from_tables(tables), path, compat=compat)
            seeds.append(path.read_bytes())
        return seeds

    def read(self, data: bytes) -> str:
        """Read and scan it."""
        path = self.folder / "damaged.slp"
        path.write_bytes(data)
        return judge_slp(path)


TARGETS: dict[str, type[Target]] = {"json": Json, "manifest": Manifest, "slp": Slp}


def answer(target: Target, data: bytes) -> str:
    """Let a target read; an error of ours is a right answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TabularLabelsWarning)
        try:
            return target.read(data)
        except TabularLabelsError as error:
            return type(error).__name__


def fuzz(target: Target, seconds: float, seed: int, keep: Path) -> tuple[Counter[str], int]:
    """Try inputs until time is over; return the answers, and how many failed."""
    answers: Counter[str] = Counter()
    failures: dict[str, bytes] = {}
    stop, case = time.monotonic() + seconds, 0
    while time.monotonic() < stop:
        data = target.mutate(random.Random(f"{seed}-{case}"))
        case += 1
        try:
            answers[answer(target, data)] += 1
        except Exception as error:  # anything else is a finding
            failures.setdefault(_place_of(error), data)
    keep.mkdir(parents=True, exist_ok=True)
    for number, (place, data) in enumerate(sorted(failures.items())):
        (keep / f"{type(target).__name__.lower()}-{number}.bin").write_bytes(data)
        print(place)
    return answers, len(failures)


def _place_of(error: BaseException) -> str:
    """Name where an error came from, to keep one input for each place."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    return f"{where}: {type(error).__name__}: {str(error)[:200]}"


def guided(name: str, seconds: int, keep: Path) -> None:
    """Let coverage guide it; ends the process."""
    import atheris

    folder = Path(tempfile.mkdtemp())
    target = TARGETS[name](folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(target.seeds):
        (corpus / f"{number}").write_bytes(seed)
    keep.mkdir(parents=True, exist_ok=True)
    arguments = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-artifact_prefix={keep}/",
        str(corpus),
    ]
    atheris.instrument_all()
    atheris.Setup(arguments, lambda data: answer(target, data) and None)
    atheris.Fuzz()


def main(arguments: list[str] | None = None) -> int:
    """Run one target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzzing-findings"))
    parser.add_argument("--guided", action="store_true")
    options = parser.parse_args(arguments)
    if options.guided:
        guided(options.target, options.seconds, options.keep)
    with tempfile.TemporaryDirectory() as folder:
        target = TARGETS[options.target](Path(folder))
        answers, n_failed = fuzz(target, options.seconds, options.seed, options.keep)
    total = answers.total() + n_failed
    print(f"{options.target}: {total:,} inputs, {n_failed} findings, {dict(answers)}")
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main())
