"""Trials as jobs of submitit: in this process, in processes of this machine, or on SLURM."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from nmevision.errors import ConfigError
from nmevision.files import write_json
from nmevision.inference.engine import has_gpu
from nmevision.journeys.sweep.plan import Launch
from nmevision.journeys.sweep.trial import RESULT, result_of, run_trial

Launcher = Literal["debug", "local", "slurm"]
LOOK_EVERY = 0.5
"""Seconds between two looks at the trials that run."""


def need_submitit() -> Any:
    """Return the library; raise ConfigError where it is not installed."""
    try:
        import submitit
    except ImportError:
        raise ConfigError("a sweep needs submitit; install it with `pip install submitit`") from None
    return submitit


def executor_for(launcher: Launcher, settings: Launch, logs: Path) -> Any:
    """Return submitit's executor; raise ConfigError where SLURM is not there, or is asked for what it does not know.

    logs: folder for what the trials print.
    """
    try:
        executor = need_submitit().AutoExecutor(folder=logs, cluster=launcher)
    except RuntimeError as problem:
        raise ConfigError(f"--launcher {launcher}: {problem}; use --launcher local or debug here") from None
    try:
        executor.update_parameters(timeout_min=settings.minutes, **_asked_of_slurm(settings))
    except NameError as problem:
        raise ConfigError(f"launch.slurm: {str(problem).splitlines()[0]}") from None
    return executor


def _asked_of_slurm(settings: Launch) -> dict[str, Any]:
    """Return what only SLURM hears of; on this machine a trial sees all of it."""
    asked: dict[str, Any] = dict(settings.slurm)
    if settings.cpus is not None:
        asked["cpus_per_task"] = settings.cpus
    if settings.gpus is not None:
        asked["gpus_per_node"] = settings.gpus
    if settings.memory_gb is not None:
        asked["mem"] = f"{settings.memory_gb:g}GB"
    return {f"slurm_{key}": value for key, value in asked.items()}


def gpus_in_sight() -> list[str]:
    """Return the GPUs that trials on this machine may use, as CUDA_VISIBLE_DEVICES names them."""
    if not has_gpu():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return named.split(",")
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def run_all(
    executor: Any, launcher: Launcher, folders: list[Path], parallel: int, told: Callable[[Path], None]
) -> None:
    """Run the trials in these folders, at most `parallel` at a time; each leaves its RESULT, or one that says it ended.

    Trials that run side by side on this machine take its GPUs in turn (submitit itself would hide them).
    told: called with a trial's folder when it has ended. Stopped by Ctrl-C or SIGTERM, local trials are stopped as well;
    those on SLURM go on and are found by the next call.
    """
    gpus: list[str | None] = [*gpus_in_sight()] if launcher == "local" else []
    gpus = gpus or [None]
    free = deque(range(1 if launcher == "debug" else parallel))
    waiting, running = deque(folders), dict[int, tuple[Path, Any]]()
    with _sigterm_as_ctrl_c():
        try:
            while waiting or running:
                while waiting and free:
                    folder, slot = waiting.popleft(), free.popleft()
                    (folder / RESULT).unlink(missing_ok=True)  # of a trial that failed before
                    running[slot] = folder, executor.submit(run_trial, str(folder), gpus[slot % len(gpus)])
                for slot, (folder, job) in list(running.items()):
                    if launcher == "debug" or job.done():
                        _settle(job, folder)
                        del running[slot]
                        free.append(slot)
                        told(folder)
                if running:
                    time.sleep(LOOK_EVERY)
        finally:
            for _, job in running.values():
                if launcher == "local":
                    job.cancel()


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, as `kill` and schedulers send it, end the block as Ctrl-C does: what it started is stopped as well."""
    if threading.current_thread() is not threading.main_thread():  # no other hears signals
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _settle(job: Any, folder: Path) -> None:
    """Wait for a job's end; note it where the trial itself could not: killed, out of memory, over its time."""
    try:
        problem = job.exception()
    except Exception as ended:  # submitit's own word for a process that left nothing
        problem = ended
    if problem is not None and result_of(folder) is None:
        lines = str(problem).strip().splitlines() or [type(problem).__name__]
        why = f"its process ended without a result: {lines[-1][:200]}"
        write_json(folder / RESULT, {"status": "failed", "why": why, "seconds": None})
