"""A script that builds the search graph of a shard: its folder, and the caller's `sys.path`.

Qdrant Edge holds the interpreter while it builds, so only a process of its own can be ended.
"""

from __future__ import annotations

import sys


def main(folder: str, *path: str) -> None:
    """Builds; ends with its parent, also with a killed one: that closes the pipe to it."""
    sys.path[:] = path
    if sys.platform != "win32":
        import fcntl
        import os
        import select

        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETFL, os.O_ASYNC)
        if select.select([0], [], [], 0)[0]:  # it was killed before
            return
    import qdrant_edge

    shard = qdrant_edge.EdgeShard.load(folder)
    shard.optimize()
    shard.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
