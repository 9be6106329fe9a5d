"""The log of a training, as CSV."""

import csv
from pathlib import Path

COLUMNS = ("step", "loss", "learning_rate", "seconds", "score")


class TrainingLog:
    """Appends rows to a file that any spreadsheet opens.

    Parameters
    ----------
    path : Path
        The file, made if need be.
    first : int
        Steps that are done; rows beyond them, of a run that was cut off, are dropped.
    """

    def __init__(self, path: Path, first: int = 0):
        self.path = path
        rows = [row for row in read_log(path) if row["step"] <= first]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)

    def add(self, entry: dict[str, float]) -> None:
        """Append a row."""
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow(entry)


def read_log(path: Path) -> list[dict[str, float]]:
    """Read the rows of a log; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]
