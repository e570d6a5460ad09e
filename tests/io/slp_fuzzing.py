"""Damage ``.slp`` files in seeded ways, and judge what reading them answers.

Run as a program, because the HDF5 library may crash or hang on what is found here:
``python slp_fuzzing.py FOLDER START STOP`` prints the number of each case before it reads.
"""

import random
import sys
import warnings
from pathlib import Path

from tabular_labels.errors import TabularLabelsError, TabularLabelsWarning
from tabular_labels.io.slp_read import read_slp
from tabular_labels.io.slp_scan import open_slp
from tabular_labels.model.checks import check_tables

# What a wrong byte is replaced by: limits of sizes and signs, and characters of JSON.
TELLING = bytes([0, 1, 0x7F, 0x80, 0xFE, 0xFF]) + b'"{}[],:0-9\\'


def damage(data: bytes, random_: random.Random) -> bytes:
    """Change a few bytes, or drop, repeat or insert some."""
    changed = bytearray(data)
    for _ in range(random_.choice([1, 1, 1, 2, 4, 16])):
        at = random_.randrange(len(changed))
        match random_.choice(["flip", "flip", "telling", "telling", "wide", "cut", "drop", "swap"]):
            case "flip":
                changed[at] ^= 1 << random_.randrange(8)
            case "telling":
                changed[at] = random_.choice(TELLING)
            case "wide":
                wide = random_.choice([2**63, 2**64 - 1, 2**32 - 1, 2**31, 1]).to_bytes(8, "little")
                changed[at : at + 8] = wide[: len(changed[at : at + 8])]
            case "cut" if random_.random() < 0.2:
                del changed[at:]
            case "drop" if random_.random() < 0.2:
                del changed[at : at + random_.choice([1, 8, 512])]
            case "swap":
                other = random_.randrange(len(changed))
                changed[at], changed[other] = changed[other], changed[at]
        if not changed:
            return b""
    return bytes(changed)


def judge(path: Path) -> str:
    """Read a file both ways; only sound tables or an error of ours are right."""
    try:
        tables = read_slp(path)
    except TabularLabelsError as error:
        return type(error).__name__
    broken = check_tables(tables)
    if broken:
        message = f"{path}: read as tables that break rules: {broken}"
        raise AssertionError(message)
    source = open_slp(path)
    structure = source.load_structure()
    if not structure.instances.equals(tables.instances):
        message = f"{path}: scanned differently than read"
        raise AssertionError(message)
    return "tables"


def main(folder: Path, start: int, stop: int) -> None:
    """Damage the files of a folder in turn."""
    warnings.simplefilter("ignore", TabularLabelsWarning)
    originals = sorted(folder.glob("*.slp"))
    damaged = folder / "damaged.bin"
    for case in range(start, stop):
        random_ = random.Random(case)
        original = originals[case % len(originals)]
        damaged.write_bytes(damage(original.read_bytes(), random_))
        print(f"case {case}", flush=True)
        print(judge(damaged), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
