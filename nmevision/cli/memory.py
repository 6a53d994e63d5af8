"""How training, prediction and drawing are started: memory is kept, which glibc would hand back and the kernel clear anew.

Threads that wait for one another soon go to sleep, so that decoding gets their cores.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

KEEP = {
    "glibc.malloc.hugetlb": 1,  # ask for huge pages where the kernel gives them on request
    "glibc.malloc.mmap_max": 0,  # take large blocks from the heap ...
    "glibc.malloc.trim_threshold": 1 << 34,  # ... which is not given back below 16 GiB of free end
    "glibc.malloc.top_pad": 1 << 30,  # and grows by 1 GiB
}
"""Bytes, or 0 and 1. Measured with scripts/bench_training.py and bench_predict.py (a tenth of a prediction's work, by huge
pages); see the GNU C library manual, "Memory Allocation Tunables"."""
TUNABLES = "GLIBC_TUNABLES"
WAITING = {"GOMP_SPINCOUNT": "3000", "OPENBLAS_THREAD_TIMEOUT": "16"}
"""OpenMP's threads ask this often whether the others are done before they sleep, microseconds in place of milliseconds: a
tenth faster for ResNet-18 beside decoding, the same for MobileNetV2, which sleeping at once makes a fifth slower.
OpenBLAS's (NumPy, SciPy) ask for 2**16 cycles in place of 2**26, which took a tenth of a second of a core from the start
alone."""
OWN_PROCESS = "own process"
"""Told to the verbs by `main`, which is all that its process runs: it may be started again with other settings."""


def settings(environment: dict[str, str], libc: str, has_gpu: bool) -> str | None:
    """Return the tunables to start with, or None where they are the user's own, would not be read or not matter.

    libc: the name of the C library, as platform.libc_ver gives it.

    >>> settings({}, "musl", has_gpu=False) is None
    True
    """
    if TUNABLES in environment or libc != "glibc" or has_gpu:
        return None
    return ":".join(f"{name}={value}" for name, value in KEEP.items())


def restart_where_own(told: object) -> None:
    """Do `restart_keeping_memory` where the command line is all that its process runs: `told` is OWN_PROCESS."""
    if told == OWN_PROCESS:
        restart_keeping_memory()


def restart_keeping_memory() -> None:
    """Start this very command again in this process with the tunables set; glibc reads them at the start only."""
    tunables = settings(dict(os.environ), platform.libc_ver()[0], Path("/dev/nvidiactl").exists())
    if tunables is None or sys.platform != "linux":
        return
    waiting = {} if "OMP_WAIT_POLICY" in os.environ else WAITING
    flush_output()
    os.execve(sys.executable, sys.orig_argv, waiting | os.environ | {TUNABLES: tunables})


def flush_output() -> None:
    """Write what was printed so far; a stream that was closed before this process began is None."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
