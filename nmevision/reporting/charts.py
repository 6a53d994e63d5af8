"""Small charts as SVG that lives inside a page: its text is text, its colours follow the page, light or dark.

Every text goes through markupsafe, so that no name of the user's can be markup. Lengths are user units; a chart is
WIDTH wide and drawn so that it can be read at that width in CSS pixels, which a telephone has.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH = 360
LINE = 15
"""Height of a line of text."""
LETTERS, BOLD_LETTERS = 58, 48
"""Letters that fit into a line of notes, and of the title."""
NAME_LETTERS = 24
"""Letters of a row's name that fit beside its figures."""
LEFT, RIGHT = 56, 14
DASHES = ("", "7 3", "2 3", "9 3 2 3", "1 2", "5 2", "3 5")
"""Besides its colour each curve has its own dashes."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """One axis: what it shows, from where to where, and what is written at which values."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Return where `value` lies between low (0) and high (1)."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def unit_axis(label: str) -> Axis:
    """Return an axis from 0 to 1."""
    ticks = tuple((i / 5, f"{i / 5:g}") for i in range(6))
    return Axis(label, 0.0, 1.0, ticks)


class Plot:
    """A chart with two axes; what is drawn outside of them is cut off.

    name: an id for the page, letters only. key: what is drawn, as (words, colour class, dashes), above it; the
    dashes None for a filled shape. notes: lines beneath, such as the method of the interval.
    """

    def __init__(
        self,
        name: str,
        title: str,
        x: Axis,
        y: Axis,
        key: Sequence[tuple[str, str, str | None]] = (),
        notes: Sequence[str] = (),
        notice: str = "",
        tall: float = 240,
    ) -> None:
        self.name, self.title, self.x, self.y, self.tall = name, title, x, y, tall
        self.notice = textwrap.wrap(notice, BOLD_LETTERS)
        self.heading = textwrap.wrap(title, BOLD_LETTERS)
        self.notes = [line for note in notes for line in textwrap.wrap(note, LETTERS)]
        self.key = key
        self.top = LINE * (len(self.heading) + len(self.notice) + len(key)) + 14
        self.inside: list[Markup] = []
        self.over: list[Markup] = []

    def at(self, x: float, y: float) -> Point:
        """Return where a point of the data lies in the drawing."""
        across = LEFT + self.x.share(x) * (WIDTH - LEFT - RIGHT)
        return across, self.top + (1 - self.y.share(y)) * self.tall

    def _path(self, points: Iterable[Point], closed: bool = False) -> str:
        placed = (self.at(x, y) for x, y in points)
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed) + ("Z" if closed else "")

    def line(self, points: Iterable[Point], style: str, dashes: str = "") -> None:
        """Draw a line through the points, in the colour of the class `style`."""
        self.inside.append(
            Markup('<path class="line {}" stroke-dasharray="{}" d="{}"/>').format(
                style, dashes, self._path(points)
            )
        )

    def band(self, low: Sequence[Point], high: Sequence[Point], style: str) -> None:
        """Fill what lies between two lines."""
        path = self._path([*low, *reversed(high)], closed=True)
        self.inside.append(Markup('<path class="band {}" d="{}"/>').format(style, path))

    def bar(self, left: float, right: float, low: float, high: float, style: str) -> None:
        """Fill a rectangle given by the values of its sides."""
        (x, y), (x2, y2) = self.at(left, high), self.at(right, low)
        self.inside.append(
            Markup('<rect class="bar-{}" x="{}" y="{}" width="{}" height="{}"/>').format(
                style, *(f"{value:.1f}" for value in (x, y, x2 - x, y2 - y))
            )
        )

    def dot(self, x: float, y: float, style: str) -> None:
        """Draw a dot."""
        place = (f"{value:.1f}" for value in self.at(x, y))
        self.over.append(Markup('<circle class="dot {}" cx="{}" cy="{}" r="3.5"/>').format(style, *place))

    def text(
        self, x: float, y: float, text: str, style: str = "", anchor: str = "start", turn: float = 0
    ) -> None:
        """Write at a place of the data. turn: degrees against the clock."""
        across, down = self.at(x, y)
        self.over.append(written(across, down, text, style, anchor, turn))

    def svg(self) -> Markup:
        """Return the chart."""
        bottom = self.top + self.tall
        height = bottom + 42 + LINE * len(self.notes)
        parts = [
            written(0, 13 + LINE * i, line, "bold alarm" if i < len(self.notice) else "bold")
            for i, line in enumerate([*self.notice, *self.heading])
        ]
        parts += self._key()
        parts += self._axes(bottom)
        parts.append(
            Markup('<clipPath id="{}"><rect x="{}" y="{}" width="{}" height="{}"/></clipPath>').format(
                f"clip-{self.name}", LEFT - 1, self.top - 2, WIDTH - LEFT - RIGHT + 3, self.tall + 3
            )
        )
        parts.append(
            Markup('<g clip-path="url(#clip-{})">{}</g>').format(self.name, Markup("").join(self.inside))
        )
        parts += self.over
        parts += [written(0, bottom + 50 + LINE * i, line, "soft") for i, line in enumerate(self.notes)]
        words = [*self.notice, self.title, *(words for words, _, _ in self.key), *self.notes]
        return drawing(height, " ".join(words), parts)

    def _key(self) -> list[Markup]:
        parts, start = [], 13 + LINE * (len(self.heading) + len(self.notice))
        for i, (words, style, dashes) in enumerate(self.key):
            y = start + LINE * i
            if dashes is None:
                mark = Markup('<rect class="bar-{}" x="1" y="{}" width="11" height="10"/>').format(
                    style, y - 9
                )
            else:
                mark = Markup('<path class="line {}" stroke-dasharray="{}" d="M0 {y}L22 {y}"/>').format(
                    style, dashes, y=y - 4
                )
            parts += [mark, written(18 if dashes is None else 28, y, words, f"t{style[1:]}")]
        return parts

    def _axes(self, bottom: float) -> list[Markup]:
        parts = []
        for value, label in self.x.ticks:
            across, _ = self.at(value, self.y.low)
            parts.append(_rule(across, self.top, across, bottom))
            parts.append(written(across, bottom + 14, label, "soft", "middle"))
        for value, label in self.y.ticks:
            _, down = self.at(self.x.low, value)
            parts.append(_rule(LEFT, down, WIDTH - RIGHT, down))
            parts.append(written(LEFT - 6, down + 4, label, "soft", "end"))
        parts.append(written((LEFT + WIDTH - RIGHT) / 2, bottom + 30, self.x.label, "", "middle"))
        parts.append(written(12, self.top + self.tall / 2, self.y.label, "", "middle", 90))
        return parts


def _rule(x: float, y: float, x2: float, y2: float) -> Markup:
    places = (f"{value:.1f}" for value in (x, y, x2, y2))
    return Markup('<line class="grid" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(*places)


def written(x: float, y: float, text: str, style: str = "", anchor: str = "start", turn: float = 0) -> Markup:
    """Return a text at a place of the drawing, escaped."""
    turned = Markup(' transform="rotate({:g} {:.1f} {:.1f})"').format(-turn, x, y) if turn else Markup("")
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}"{}>{}</text>').format(
        style, x, y, anchor, turned, text
    )


def drawing(height: float, title: str, parts: Iterable[Markup]) -> Markup:
    """Return an SVG with a title for those who cannot see it."""
    return Markup('<svg viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, title, Markup("").join(parts)
    )


@dataclass(frozen=True)
class ForestRow:
    """One line of a forest chart: a name, a value of 0 to 1 with its limits (NaN: none) and what it says."""

    name: str
    value: float
    low: float
    high: float
    says: str


def forest(
    title: str, rows: Sequence[ForestRow], notes: Sequence[str], notice: str, chance: float | None = None
) -> Markup:
    """Return values with intervals beneath one another on a scale of 0 to 1, `chance` marked."""
    warned, heading = textwrap.wrap(notice, BOLD_LETTERS), textwrap.wrap(title, BOLD_LETTERS)
    below = [line for note in notes for line in textwrap.wrap(note, LETTERS)]
    parts = [
        written(0, 13 + LINE * i, line, "bold alarm" if i < len(warned) else "bold")
        for i, line in enumerate([*warned, *heading])
    ]
    top = LINE * (len(warned) + len(heading)) + 10
    bottom = top + 34 * len(rows)

    def across(value: float) -> float:
        return 4 + value * (WIDTH - 8)

    for i in range(6):
        parts.append(_rule(across(i / 5), top, across(i / 5), bottom))
        anchor = "start" if i == 0 else "end" if i == 5 else "middle"
        parts.append(written(across(i / 5), bottom + 15, f"{i / 5:g}", "soft", anchor))
    if chance is not None:
        place = across(chance)
        mark = Markup('<line class="chance" x1="{0:.1f}" y1="{1}" x2="{0:.1f}" y2="{2}"/>')
        parts.append(mark.format(place, top, bottom))
    for i, row in enumerate(rows):
        y = top + 34 * i
        name = (
            row.name if len(row.name) <= NAME_LETTERS else f"{row.name[: NAME_LETTERS - 1]}…"
        )  # often one word
        parts.append(written(4, y + 13, name, "halo"))
        parts.append(written(WIDTH - 4, y + 13, row.says, "halo", "end"))
        if not math.isnan(row.low):
            parts.append(
                Markup('<line class="line c0" x1="{:.1f}" y1="{y}" x2="{:.1f}" y2="{y}"/>').format(
                    across(row.low), across(row.high), y=y + 23
                )
            )
        if not math.isnan(row.value):
            parts.append(
                Markup('<circle class="dot c0" cx="{:.1f}" cy="{}" r="4"/>').format(across(row.value), y + 23)
            )
    parts += [written(0, bottom + 33 + LINE * i, line, "soft") for i, line in enumerate(below)]
    return drawing(bottom + 24 + LINE * len(below), " ".join([*warned, title, *below]), parts)
