"""``python -m tabular_labels`` is the command ``tabular-labels``."""

from tabular_labels.cli.commands import main

if __name__ == "__main__":
    main()
