"""What this process may use of its machine: limits of containers and batch systems count, too."""

from __future__ import annotations


def cores() -> int:
    """Cores that this process may use: the fewest of the machine's, its affinity's and its cgroup's."""
    from dask.system import cpu_count

    return int(cpu_count())  # type: ignore[no-untyped-call, unused-ignore]


def memory() -> int:
    """Bytes that this process may use: the least of the machine's, its cgroup's and its own limit."""
    from distributed.system import memory_limit

    return memory_limit()
