"""Markdown as this house writes it (headings, tables, lists, bold, code) as an HTML page with the house's look."""

from __future__ import annotations

import itertools
import re

from markupsafe import Markup, escape

from nmevision.reporting.page import environment

_INLINE = re.compile(
    r"\\(?P<escaped>[\\`*_{}\[\]<>|#~])|\*\*(?P<bold>.+?)\*\*|`(?P<code>[^`]+)`|(?P<limits>\([\d.+−-]+(?:–| to )[\d.+−-]+\))"
)
_NUMBER = re.compile(r"(\\[<>])?[−+-]?[\d.,]+( ?%)?|–|-|")


def page_of(markdown: str) -> str:
    """Return a Markdown page as one HTML file that loads nothing; its first heading is the title.

    Only what the house's own pages use is understood; anything else is shown as it is, escaped.
    """
    title = next((line[2:] for line in markdown.splitlines() if line.startswith("# ")), "")
    body = Markup("\n").join(
        _block(kind, list(lines)) for kind, lines in itertools.groupby(markdown.splitlines(), _kind)
    )
    return (
        environment().get_template("plain.html.j2").render(title=Markup(inline(title)).striptags(), body=body)
    )


def inline(text: str) -> Markup:
    r"""Return the words of a line, escaped, with bold and code as such.

    >>> print(inline(r"**a <b>** \*c\* `d`"))
    <b>a &lt;b&gt;</b> *c* <code>d</code>
    """
    parts, end = [], 0
    for found in _INLINE.finditer(text):
        parts.append(escape(text[end : found.start()]))
        if found["bold"]:
            parts.append(Markup("<b>{}</b>").format(inline(found["bold"])))
        elif found["limits"]:
            parts.append(Markup('<span class="v">{}</span>').format(found["limits"]))
        elif found["code"]:
            parts.append(Markup("<code>{}</code>").format(found["code"]))
        else:
            parts.append(escape(found["escaped"]))
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def _kind(line: str) -> str:
    """Return which kind of block a line belongs to; every heading and empty line ends the one before."""
    for start in ("### ", "## ", "# ", "- ", "> ", "|"):
        if line.startswith(start):
            return start
    return "text" if line.strip() else ""


def _block(kind: str, lines: list[str]) -> Markup:
    """Return one block as HTML."""
    if kind == "|":
        return _table(lines)
    told = [inline(line.removeprefix(kind)) for line in lines]
    if kind == "- ":
        return Markup("<ul>{}</ul>").format(
            Markup("").join(Markup("<li>{}</li>").format(one) for one in told)
        )
    if kind.startswith("#"):
        level = kind.count("#")
        return Markup("").join(Markup("<h{0}>{1}</h{0}>").format(level, one) for one in told)
    if not kind:
        return Markup("")
    name = Markup(' class="note"') if kind == "> " else Markup("")
    return Markup("<p{}>{}</p>").format(name, Markup(" ").join(told))


def _table(lines: list[str]) -> Markup:
    """Return a table; the line of dashes is left out, columns of nothing but numbers stand to the right."""
    rows = [re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in lines]
    told = [row for row in rows if not all(re.fullmatch(r":?-+:?", cell.strip()) for cell in row)]
    columns = itertools.zip_longest(*told[1:], fillvalue="")
    right = [all(_NUMBER.fullmatch(cell.strip()) for cell in column) for column in columns]
    made = [_row(row, "td" if i else "th", right) for i, row in enumerate(told)]
    return Markup('<div class="wide"><table>{}</table></div>').format(Markup("").join(made))


def _row(cells: list[str], tag: str, right: list[bool]) -> Markup:
    made = [
        Markup("<{0}{1}>{2}</{0}>").format(
            tag,
            Markup(' class="n"') if number else "",
            inline(cell.strip()),
        )
        for cell, number in zip(cells, [*right, *[False] * len(cells)], strict=False)
    ]
    return Markup("<tr>{}</tr>").format(Markup("").join(made))
