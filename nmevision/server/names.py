"""The name of an uploaded file as it is shown: text for people, never a path for this machine."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 150
"""Characters of a shown name; more are cut out of its middle."""
_DEEPEST = 3
"""The file's own name and two folders above it: enough to tell `left/1.jpg` from `right/1.jpg`."""
_ROOTED = re.compile(r"^(?:[\\/~]|[A-Za-z]:)")
_FORMULA = ("=", "+", "-", "@")
"""A cell that begins so is computed by spreadsheet programs (CWE-1236)."""
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that show nothing or turn the text round: controls, formats, surrogates, separators."""


def shown_name(sent: str, number: int) -> str:
    r"""Return what to call an uploaded file on the page and in tables.

    Of a whole path only the file's own name is kept, of a path inside a dropped folder the last folders; what does
    not show, or would turn the line round, becomes "\ufffd"; a long name loses its middle.

    sent: as the browser or program called it. number: which file of the upload it is, for one without a name.

    >>> shown_name("/home/jane doe/biopsies/7.jpg", 1), shown_name("left/../../etc/1.png", 1)
    ('7.jpg', 'left/etc/1.png')
    >>> shown_name("=cmd()|.png", 1), shown_name("...", 3)
    ("'=cmd()|.png", 'file 3')
    """
    parts = [_visible(part) for part in re.split(r"[\\/]", sent)]
    kept = [part for part in parts if part.strip(". ")]
    if _ROOTED.match(sent):
        kept = kept[-1:]
    name = "/".join(kept[-_DEEPEST:]) or f"file {number}"
    if len(name) > LONGEST:
        half = (LONGEST - 3) // 2
        name = f"{name[:half]}...{name[-half:]}"
    return f"'{name}" if name.startswith(_FORMULA) else name


def sent_parts(sent: str) -> tuple[str, ...]:
    r"""Return the folders and the name that a file was sent under, without what leads nowhere or upwards.

    >>> sent_parts("scan/./a\\../b.dat"), sent_parts("")
    (('scan', 'a', 'b.dat'), ())
    """
    return tuple(part for part in re.split(r"[\\/]", sent) if part.strip(". "))


def _visible(text: str) -> str:
    composed = unicodedata.normalize("NFC", text)
    return "".join("\ufffd" if unicodedata.category(one) in _HIDDEN else one for one in composed).strip()


def unique_name(name: str, taken: set[str]) -> str:
    """Return `name`, or `name (2)` and so on where it is taken, and take it.

    >>> taken = {"a.png"}
    >>> unique_name("a.png", taken), unique_name("a.png", taken)
    ('a.png (2)', 'a.png (3)')
    """
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    taken.add(free)
    return free
