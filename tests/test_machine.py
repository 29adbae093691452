"""What this process may use of its machine."""

import os
import subprocess
import sys

from lscube import machine
from tests.needs import AFFINITY, needs


def asked(limit: str) -> list[int]:
    """Cores and memory of a process that is limited first."""
    code = f"import os, resource\n{limit}\nfrom lscube.machine import *\nprint(cores(), memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def test_this_machine():
    assert 1 <= machine.cores() <= (os.cpu_count() or 1)
    assert machine.memory() > 10**8


@needs(AFFINITY)
def test_limits_of_the_process_count():
    limits = (
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "resource.setrlimit(resource.RLIMIT_RSS, (10**8, 10**8))"
    )
    assert asked(limits) == [1, 10**8]
