"""Hubs: gallery images that are near to every query, so they come first for many.

CSLS (Conneau et al., Word Translation Without Parallel Data, 2018) lowers a gallery image by how
near the queries nearest to it are. The queries are those of training, a querybank (Bogolin et al.,
Cross Modal Retrieval with Querybank Normalisation, 2022), so that a search knows nothing of other
searches. With h the image's embedding, of length one,

    hub(h) = mean cosine of h and the 10 queries of the bank that are nearest to it
    score(q, h) = cos(q, h) - hub(h) / 2

Two more dimensions hold it, and all embeddings keep the length one, so that any index can search:
a query gets w (1, 0), a gallery image w (-hub, (1 - hub^2)^(1/2)), with w^2 = 1/2.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cdim.metrics.distances import unit

NEIGHBOURS = 10
"""Queries of the bank that say how much of a hub an image is."""
WEIGHT = 0.5
"""What the hub takes from the cosine: half of it, as CSLS has it."""
MOST = 1024
"""Queries in a bank."""
DIMS = 2
"""Dimensions that an embedding has more."""
BESIDE = math.sqrt(WEIGHT)
"""Length of the two dimensions beside the others', before that of all together is one again."""


def asking(domains: NDArray[np.str_], sides: NDArray[np.bool_]) -> tuple[str, ...]:
    """The domains of the queries; () where gallery images share one: then no hub can be recognised.

    `domains` (n,) are those of images, `sides` (n,) says which of them are queries.

    >>> asking(np.array(["sketch", "photo", "edge"]), np.array([True, False, False]))
    ('sketch',)
    """
    asks, shows = (set(domains[side].tolist()) for side in (sides, ~sides))
    return () if asks & shows else tuple(sorted(asks))


def some(queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """A bank of queries (b, d): all of them, or `MOST` of them evenly drawn."""
    if len(queries) <= MOST:
        return queries
    return queries[np.linspace(0, len(queries) - 1, MOST).astype(np.intp)]


def hub(vectors: NDArray[np.float32], bank: NDArray[np.float32]) -> NDArray[np.float32]:
    """How near each of (n, d) is to the queries (b, d) nearest to it, (n,), -1 to 1.

    All are of length one. Of fewer queries than `NEIGHBOURS` all count.
    """
    k = min(NEIGHBOURS, len(bank))
    near = np.partition(vectors @ bank.T, len(bank) - k, axis=1)[:, len(bank) - k :]
    found: NDArray[np.float32] = np.clip(near.mean(axis=1), -1, 1)
    return found


def lower(
    vectors: NDArray[np.float32], asks: NDArray[np.bool_], bank: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Embeddings (n, d) of length one to (n, d + 2), whose inner products are scores / 1.5.

    `asks` (n,) says which of them are queries; `bank` (b, d) are queries of training.

    >>> bank = np.eye(2, dtype=np.float32)
    >>> query, image = lower(np.float32([[1, 0], [0.6, 0.8]]), np.array([True, False]), bank)
    >>> round(1.5 * float(query @ image), 3)  # 0.6 - 0.7 / 2
    0.25
    """
    hubs = np.where(asks, -1, hub(vectors, bank))
    beside = BESIDE * np.stack([-hubs, np.sqrt(1 - hubs**2)], axis=1)
    return unit(np.concatenate([vectors, beside], axis=1).astype(np.float32))
