"""When memory runs out: how it is noticed, whatever library it happens in, and what is said of it."""

from __future__ import annotations

NO_ROOM = "memory does not suffice for one image; close other programs or use a smaller model"
_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "bad_alloc",
)


def means_no_memory(problem: Exception) -> bool:
    """Tell whether an error means that memory ran out.

    >>> means_no_memory(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    True
    """
    text = str(problem).casefold()
    return isinstance(problem, MemoryError) or any(words in text for words in _WORDS)
