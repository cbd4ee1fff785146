"""A checksum of each record: its vector, metadata and thumbnail as they were written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

SUM = "sum"
_NOT_EXACT = ("meta", "numbers", SUM)  # a database may round floats; `words` has them as texts


def checksum(payload: Mapping[str, Any], vector: ArrayLike) -> str:
    """Of a record's payload and vector (dim,), hexadecimal: 16 characters."""
    told = {key: payload[key] for key in payload if key not in _NOT_EXACT}
    text = json.dumps(told, sort_keys=True).encode()
    return hashlib.blake2b(
        text + np.asarray(vector, dtype="<f4").tobytes(), digest_size=8
    ).hexdigest()
