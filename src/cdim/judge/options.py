"""How a model is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cdim.errors import UsageError

Device = Literal["auto", "cpu", "cuda", "mps"]
"""Where a run's network computes."""


@dataclass(frozen=True, repr=False)
class EvalOptions:
    """How a model is judged.

    Args:
        protocol: its name, None for the dataset's default.
        multi_query: how the views of a query are pooled, None for single query.
        expand: gallery images averaged into each query, 0 for none.
        rerank: whether to re-rank by k-reciprocal encoding.
        join: middle maps joined to the embedding of the trained network.
        join_pool: how they are pooled.
        join_l2: whether each part is scaled to length one before.

    Raises:
        UsageError: a negative `expand`, or `join_pool` or `join_l2` without `join`.
    """

    protocol: Literal["instance", "cross-camera", "any-camera", "leave-one-out"] | None = None
    multi_query: Literal["average", "maximum"] | None = None
    expand: int = 0
    rerank: bool = False
    join: tuple[str, ...] = ()
    join_pool: Literal["average", "max", "flatten", "grid2", "grid3", "grid4", "grid8"] = "average"
    join_l2: bool = False

    def __post_init__(self) -> None:
        if self.expand < 0:
            raise UsageError(
                f"expand = {self.expand}",
                "it is a number of gallery images, 0 for none",
                "give 0 or more",
                argument="expand",
            )
        if not self.join and (self.join_l2 or self.join_pool != "average"):
            raise UsageError(
                "a way to join maps, and no map to join",
                "the pooling and the scaling are those of the joined maps",
                "name a map, or leave them out",
                argument="join",
            )

    def __repr__(self) -> str:
        chosen = [f"{n}={v!r}" for n, v in vars(self).items() if v != getattr(EvalOptions, n)]
        return f"EvalOptions({', '.join(chosen)})"

    @property
    def joined(self) -> list[str]:
        """The joined maps as results name them, beside those fused in training."""
        scaled = ", L2" if self.join_l2 else ""
        return [f"{tap} (after training, {self.join_pool}{scaled})" for tap in self.join]


PLAIN = EvalOptions()
