"""How a model is judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
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
    """

    protocol: str | None = None
    multi_query: str | None = None
    expand: int = 0
    rerank: bool = False
    join: tuple[str, ...] = ()
    join_pool: str = "average"
    join_l2: bool = False

    @property
    def joined(self) -> list[str]:
        """The joined maps as results name them, beside those fused in training."""
        scaled = ", L2" if self.join_l2 else ""
        return [f"{tap} (after training, {self.join_pool}{scaled})" for tap in self.join]


PLAIN = EvalOptions()
