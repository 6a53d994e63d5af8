"""Does a label agree with what the image's URL, file name or caption says? A list for a person to judge.

The rule, for every folder name (or file name, or caption) and label of a table:

1. A name is its words: lower case, without digits, in the singular; a known other name (`disease_names.csv`)
   adds the words that it means, so that `discoid_le` also says "discoid lupus erythematosus".
2. A word weighs log(names / names that hold it): "dermatitis" and "syndrome" say little, "subacute" much.
   Words of five letters and more may differ by one letter, of twelve and more by two.
3. **another_label**: the name holds every word of another label of the table, and these weigh more than what
   it holds of its own label. Where the other label only adds to its own ("psoriasis", "pustular psoriasis")
   the row is **finer_label**: not wrong, but not what the other rows of that kind are called.
4. **another_name**: what name and label have in common weighs less than half of either: the folder speaks of
   something else.
5. **unlike_its_folder**: a label that 4 in 5 rows of the same folder (five and more) do not have.
6. **no_provenance**: the cell is empty, while others are not.

A folder is a clue and no proof: nothing is changed here. See `overlay` for what a person may do with it.
"""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pandas as pd

KINDS = ("another_label", "another_name", "unlike_its_folder", "finer_label", "no_provenance")
"""What `compare` finds, the gravest first."""

HALF = 0.5
"""Share of a name's or label's weight that both must share; see the module's rule 4."""
MAJORITY, SMALLEST_FOLDER = 0.8, 5
NAMES_DIAGNOSES = 0.5
"""Share of a column's cells that must agree with their label, else it does not name diagnoses at all
(folders called `images` or `scanner_2`) and is left alone."""

_NAMES = Path(__file__).with_name("disease_names.csv")
_ONE_LETTER, _TWO_LETTERS = 5, 12  # length of words that may differ by so much
_NO_WORDS = {
    "and",
    "the",
    "of",
    "in",
    "to",
    "with",
    "by",
    "due",
    "img",
    "image",
    "images",
    "jpg",
    "jpeg",
    "png",
}
_ENDINGS = ("es", "is", "us", "um", "as", "os", "s", "a", "e", "i")
_STEM = 4  # letters that must be left when an ending goes

Words = frozenset[str]


@dataclass(frozen=True)
class Provenance:
    """What a comparison found.

    Attributes:
        rows: id, kind (one of KINDS), label, says (the name, in plain words), suggested (another label of the
            table, or the name in words; "" where nothing speaks), evidence (the cell); in the table's order.
        agree: how many rows' names agree with their label.
        silent: how many cells say nothing that could be compared (a number, a host).
        left_out: True where the column does not name diagnoses, and `rows` is empty.
    """

    rows: pd.DataFrame
    agree: int
    silent: int
    left_out: bool


def compare(
    ids: Iterable[str], labels: Iterable[str], cells: Iterable[str], prose: bool = False
) -> Provenance:
    """Compare every label with the name in its cell, by the rule at the head of this module.

    cells: URLs, paths or captions.
    prose: the cells are sentences, of which many speak of no diagnosis: only `another_label` is looked for.
    """
    table = pd.DataFrame({"id": list(ids), "label": list(labels), "evidence": list(cells)}, dtype=str)
    table["name"] = table["evidence"] if prose else table["evidence"].map(name_in)
    judge = _Judge(table["name"], table["label"])
    pairs = table[["name", "label"]].drop_duplicates()
    verdicts = {
        (name, label): judge.verdict(name, label, prose)
        for name, label in zip(pairs["name"], pairs["label"], strict=True)
    }
    found = [verdicts[key] for key in zip(table["name"], table["label"], strict=True)]
    table["kind"], table["suggested"] = [kind for kind, _ in found], [text for _, text in found]
    says = (table["kind"] != "silent") & (table["label"] != "")
    table.loc[table["evidence"] == "", "kind"] = "no_provenance"
    table.loc[says & _is_odd(table), "kind"] = "unlike_its_folder"
    agree = int((says & (table["kind"] == "agrees")).sum())
    left_out = not prose and agree < NAMES_DIAGNOSES * says.sum()
    listed = table[table["kind"].isin(KINDS) & (table["label"] != "") & (not left_out)]
    if (table["evidence"] == "").all():
        listed, left_out = listed.iloc[:0], True
    rows = listed.assign(says=[plain(name) for name in listed["name"]])
    columns = ["id", "kind", "label", "says", "suggested", "evidence"]
    return Provenance(
        rows[columns].reset_index(drop=True), agree, int((table["kind"] == "silent").sum()), left_out
    )


def name_in(cell: str) -> str:
    """Return the name that a URL or path carries: its last folder or, where there is none, its file's stem.

    >>> name_in("https://host.org/site/p/discoid_le/discoid_le56.jpg")
    'discoid_le'
    >>> name_in("http://host.org/img?imageId=2409"), name_in("ISIC_0031372.jpg")
    ('', 'ISIC_0031372')
    """
    try:
        path = PurePosixPath(urlsplit(cell).path if "://" in cell else cell.replace("\\", "/"))
    except ValueError:  # no URL, whatever it looks like
        return ""
    folder = path.parent.name
    return folder if words_of(folder) else path.stem if words_of(path.stem) else ""


def plain(name: str) -> str:
    """Return a folder's name as words: 'glucagonoma_syndrome' -> 'glucagonoma syndrome'."""
    return " ".join(re.sub(r"[_\-\d]+", " ", name).split()).lower()


def words_of(text: str) -> Words:
    """Return the words of a name in the singular, without digits, accents and small words.

    >>> sorted(words_of("Actinic_keratoses (12)"))
    ['actinic', 'keratos']
    """
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold()
    parts = re.findall(r"[a-z]+", folded.replace("'", ""))
    return frozenset(_stem(part) for part in parts if len(part) > 1 and part not in _NO_WORDS)


def _stem(word: str) -> str:
    """Return a word in British-or-American spelling's common form, without the ending of number and case."""
    word = word.replace("ae", "e").replace("oe", "e")
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _STEM:
            return word[: -len(ending)]
    return word


@cache
def _other_names() -> tuple[tuple[Words, Words], ...]:
    """Return the words of each known other name with the words that it means."""
    with _NAMES.open(encoding="utf-8", newline="") as stream:
        return tuple((words_of(row["name"]), words_of(row["means"])) for row in csv.DictReader(stream))


class _Judge:
    """Compares names with labels by the weight of their words."""

    def __init__(self, names: Iterable[str], labels: Iterable[str]) -> None:
        self.labels = {label: words_of(label) for label in dict.fromkeys(labels) if words_of(label)}
        names = {*map(plain, names), *self.labels} - {""}
        self.count = len(names)
        self.holding = Counter(word for name in names for word in words_of(name))

    def weight(self, words: Iterable[str]) -> float:
        """Return what words say together; one that no name holds says as much as the rarest."""
        return sum(math.log((1 + self.count) / max(1, self.holding[word])) for word in words)

    def verdict(self, name: str, label: str, prose: bool) -> tuple[str, str]:
        """Return ("agrees" or "silent" or a kind, what the name suggests)."""
        said, own = _with_meaning(words_of(name)), self.labels.get(label, frozenset())
        if not words_of(name) or not own:
            return "silent", ""
        mine = _shared(own, said)
        others = self._named_in(said, label, 0.0 if prose and not mine else self.weight(mine))
        if prose and (mine or not others):
            return "silent", ""
        if others:
            best = max(others, key=lambda other: self.weight(self.labels[other]))
            adds = own == _shared(own, self.labels[best])
            return "finer_label" if adds else "another_label", best
        if self._agree(own, words_of(name), said, mine):
            return "agrees", ""
        return "another_name", plain(name)

    def _named_in(self, said: Words, label: str, least: float) -> list[str]:
        """Return the other labels that a name holds whole and that weigh more than `least`."""
        return [
            other
            for other, words in self.labels.items()
            if words != self.labels[label] and self.weight(words) > least and words == _shared(words, said)
        ]

    def _agree(self, own: Words, name: Words, said: Words, mine: Words) -> bool:
        """Tell whether what label and name share is half of one of them; "non" says that it is not the label."""
        if "non" in name - own:
            return False
        shared_of_name = _shared(name, own)
        parts = (self.weight(mine) / self.weight(own), self.weight(shared_of_name) / self.weight(name))
        return max(parts) >= HALF


def _with_meaning(words: Words) -> Words:
    """Return words and those that the known names among them mean."""
    more = [means for name, means in _other_names() if name and name <= words]
    return words.union(*more)


def _shared(words: Words, others: Words) -> Words:
    """Return those of `words` that stand among the others, small misspellings forgiven."""
    return frozenset(word for word in words if any(_same(word, other) for other in others))


@cache
def _same(one: str, other: str) -> bool:
    """Tell whether two words are one, up to a letter or two."""
    shorter, longer = sorted((len(one), len(other)))
    if one == other or shorter < _ONE_LETTER:
        return one == other
    allowed = 2 if shorter >= _TWO_LETTERS else 1
    return longer - shorter <= allowed and _edits(one, other) <= allowed


def _edits(one: str, other: str) -> int:
    """Return the number of letters to insert, delete or replace (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, opposite in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (letter != opposite))
    return row[-1]


def _is_odd(table: pd.DataFrame) -> pd.Series:
    """Tell which agreeing rows carry a label that hardly any other row of the same name has."""
    sizes = table.groupby("name")["id"].transform("size")
    alike = table.groupby(["name", "label"])["id"].transform("size")
    return (table["kind"] == "agrees") & (sizes >= SMALLEST_FOLDER) & (alike <= (1 - MAJORITY) * sizes)


def summary(found: Mapping[str, Provenance]) -> list[str]:
    """Return one sentence per compared column."""
    lines = []
    for column, result in found.items():
        if result.left_out:
            lines.append(f"{column}: does not name diagnoses; left out")
            continue
        counts = result.rows["kind"].value_counts()
        kinds = (
            ", ".join(f"{kind} {counts[kind]:,}" for kind in KINDS if kind in counts) or "nothing to review"
        )
        lines.append(f"{column}: {kinds}; {result.agree:,} agree, {result.silent:,} say nothing")
    return lines
