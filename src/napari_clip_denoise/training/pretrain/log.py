"""Training log in CSV format."""

import csv
from pathlib import Path

ALIVE = ("alive_1", "alive_2", "alive_3", "alive_4")
COLUMNS = ("step", "loss", "learning_rate", "seconds", "score", *ALIVE)


class TrainingLog:
    """Log file in CSV format, which rows are appended to.

    Parameters
    ----------
    path : Path
        The file, created if needed.
    first : int
        Number of finished steps; later rows, left by an interrupted run, are removed.
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
    """Read the rows of a log; return an empty list if the file does not exist."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]
