"""What `cdim.data.check.table` found, as an object, as JSON and as text for a terminal."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cdim.data.listing import Omission, summary
from cdim.data.manifest import ROLES, SPLITS, Manifest
from cdim.errors import plural, printable

Level = Literal["error", "warning", "info"]
LEVELS: tuple[Level, ...] = ("error", "warning", "info")
WIDTH = 88
MOST_EXAMPLES = 5
NO_SPLIT = "all"
"""What counts call the rows without a split."""

Counts = Mapping[str, Mapping[str, Mapping[str, int]]]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a dataset, or good to know."""

    # "error" makes numbers wrong or training fail, "warning" may bend them, "info" is good to know
    level: Level
    code: str  # stable name in kebab-case, see docs/data-check.md
    what: str  # what is wrong
    why: str  # why it matters
    todo: str  # what to do about it
    # all or some of the images, pairs or names concerned; the first five are kept
    examples: Sequence[str] = ()
    count: int = 0  # how many are concerned; without it, the number of examples, at least 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", self.count or len(self.examples) or 1)
        object.__setattr__(self, "examples", tuple(self.examples[:MOST_EXAMPLES]))

    def to_json(self) -> dict[str, Any]:
        """Plain values, keys as the attributes."""
        return {**vars(self), "examples": list(self.examples)}


@dataclass(frozen=True)
class Findings:
    """All that was found in one dataset."""

    name: str  # the dataset
    problems: tuple[Problem, ...]  # errors first, then warnings, then the rest
    # split -> domain or role -> {"images", "instances"}; rows without a split are under "all"
    counts: Counts
    left_out: tuple[Omission, ...] = ()  # files of its folder or zip that are none of its images

    def __post_init__(self) -> None:
        ordered = sorted(self.problems, key=lambda problem: LEVELS.index(problem.level))
        object.__setattr__(self, "problems", tuple(ordered))

    @property
    def failed(self) -> bool:
        """Whether there is an error, so that `cdim data check` ends with exit code 1."""
        return any(problem.level == "error" for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """{"dataset", "counts", "problems", "left_out"}, plain values."""
        counts = {s: {k: dict(v) for k, v in group.items()} for s, group in self.counts.items()}
        problems = [problem.to_json() for problem in self.problems]
        left_out = [{"name": name, "why": reason} for name, reason in self.left_out]
        return {
            "dataset": self.name,
            "counts": counts,
            "problems": problems,
            "left_out": left_out,
        }

    def text(self, verbose: bool = False) -> str:
        """For a terminal: counts, then each problem with reason, remedy and examples.

        Args:
            verbose: whether every file that is left out is named.
        """
        parts = [self.name, self._table()]
        if self.left_out:
            files = [f"    {printable(name)}: {why}" for name, why in self.left_out if verbose]
            parts.append("\n".join([summary(self.left_out), *files]))
        parts.append(self._verdict())
        return "\n\n".join([*parts, *(_paragraph(problem) for problem in self.problems)])

    def _table(self) -> str:
        """Domains; in a split of one domain where all have roles, the roles, which say more."""
        lines = [f"  {'split':<8}{'':<14}{'images':>8}{'instances':>11}"]
        for split, groups in self.counts.items():
            domains = [name for name in groups if name not in ROLES]
            roles = [name for name in ROLES if name in groups]
            told = [sum(groups[n]["images"] for n in names) for names in (domains, roles)]
            for name in roles if len(domains) == 1 and told[0] == told[1] else domains:
                numbers = f"{groups[name]['images']:>8}{groups[name]['instances']:>11}"
                lines.append(f"  {split:<8}{name:<14}{numbers}")
        return "\n".join(lines)

    def _verdict(self) -> str:
        if not self.problems:
            return "Nothing wrong found."
        levels = Counter(problem.level for problem in self.problems)
        words: dict[Level, str] = {"error": "error", "warning": "warning", "info": "note"}
        amounts = [plural(levels[level], word) for level, word in words.items() if levels[level]]
        end = "" if self.failed else " The set can be used."
        return f"{', '.join(amounts)}.{end}"


def counted(manifest: Manifest) -> dict[str, dict[str, dict[str, int]]]:
    """Images and instances of each split, by domain and by role."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for split in sorted(set(manifest.split.tolist()), key=SPLITS.index):
        part = manifest.where(split=split)
        groups = counts.setdefault(split or NO_SPLIT, {})
        for column in ("domain", "role"):
            values = getattr(part, column)
            for value in dict.fromkeys(values.tolist()):
                if value:
                    names = part.instance[values == value]
                    groups[value] = {"images": len(names), "instances": len(set(names.tolist()))}
    return counts


def _paragraph(problem: Problem) -> str:
    label = {"error": "ERROR", "warning": "WARNING", "info": "NOTE"}[problem.level]
    lines = [f"{label}  {problem.code}"]
    for head, text in (("", problem.what), ("Why: ", problem.why), ("Do:  ", problem.todo)):
        lines += textwrap.wrap(
            head + text,
            WIDTH,
            initial_indent="  ",
            subsequent_indent="  " + " " * len(head),
            break_long_words=False,
            break_on_hyphens=False,
        )
    lines += [f"    {printable(example)}" for example in problem.examples]
    more = problem.count - len(problem.examples)
    if problem.examples and more > 0:
        lines.append(f"    ... and {more:,} more")
    return "\n".join(lines)
