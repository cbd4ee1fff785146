"""What a run writes down while it trains."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from cdim.disk import write_whole
from cdim.errors import TrainingError


class Log:
    """`log.jsonl`, one line a step, and the same for TensorBoard.

    Args:
        folder: the run's folder.
        step: lines beyond this step are dropped: they belong to work that is done again.
    """

    def __init__(self, folder: Path, step: int) -> None:
        path = folder / "log.jsonl"
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if _step_of(line) <= step] if step else []
            write_whole(path, "".join(kept).encode(), TrainingError)
        self.file = path.open("a", encoding="utf-8")
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def close(self) -> None:
        """Finishes both."""
        self.file.close()
        self.board.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One line of values of a step."""
        self.file.write(json.dumps({"step": step, **values}) + "\n")
        self.file.flush()
        for name, value in values.items():
            self.board.add_scalar(name, value, step)


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError):
        return math.inf
