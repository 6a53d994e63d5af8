"""What the server takes at most, and the refusal in words when something is more."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1_000_000
MINUTE = 60.0


@dataclass(frozen=True)
class Limits:
    """Bounds of one server; sizes in bytes, times in seconds.

    Attributes:
        file_bytes: of one file; a larger one is refused, the others of its upload are not.
        job_bytes: of one upload as it is sent.
        files: in one upload.
        queue: uploads that are being received or wait for the network.
        forget_after: how long a finished job is held.
        jobs: uploads that are held at a time, finished ones included.
        all_bytes: of everything that lies on the disk at a time.
        silence: how long an upload may say nothing before it is given up.
    """

    file_bytes: int = 4_000 * MB
    job_bytes: int = 8_000 * MB
    files: int = 2_000
    queue: int = 20
    forget_after: float = 60 * MINUTE
    jobs: int = 200
    all_bytes: int = 32_000 * MB
    silence: float = 60.0


class Refusal(Exception):
    """A request that is not answered as asked: the HTTP status, and why, in words for its sender.

    retry_after: seconds after which the same request may be taken, where that is so.
    """

    def __init__(self, status: int, words: str, retry_after: int | None = None) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.retry_after = retry_after


def size_in_words(size: float) -> str:
    """Return a number of bytes as people say it.

    >>> size_in_words(2_500_000), size_in_words(4_000_000_000), size_in_words(12)
    ('2.5 MB', '4 GB', '12 bytes')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{int(size)} bytes"


def time_in_words(seconds: float) -> str:
    """Return a time as people say it.

    >>> time_in_words(3600), time_in_words(90), time_in_words(60)
    ('60 minutes', '90 seconds', '1 minute')
    """
    if seconds < MINUTE or seconds % MINUTE:
        return f"{seconds:g} second" + "s" * (seconds != 1)
    return f"{seconds / MINUTE:g} minute" + "s" * (seconds != MINUTE)
