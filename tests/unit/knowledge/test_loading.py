"""Knowledge files: every mistake is told at once with its place, and the user's own profiles lie over ours."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmevision.errors import ConfigError, Problems
from nmevision.knowledge.loading import DATA, check_file, load_knowledge, read_tables
from nmevision.knowledge.profile_files import Words, read_profiles

OURS = load_knowledge()
HISTOLOGY = [finding.key for finding in OURS.findings_of("histology")]


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check_file(path)
    heading, *lines = str(caught.value).splitlines()
    assert heading == f"{path}: {len(lines)} problem{'s' if len(lines) > 1 else ''}"
    return [line.removeprefix("  - ") for line in lines]


def test_every_mistake_of_a_profile_file_is_told_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "finding,nme,psoriasis,psoriassis,pellagra,eczema:acut\n"
        "sources,own-file,own-file kheir1968,,,own-file\n"
        "parakeratosis,2a,4a,1t,2a,1t\n"
        "parakeratosis,1t,1t,1t,1t,1t\n"
        "hypergranuloses,1t,1t,1t,1t,1t\n"
        "acantholysis,1t,2,1t,3x,1.5t\n"
        "erythema,1t,1t,1t,1t,1t\n"
        "spongiosis,1t,marked,1t,2a [own-fil],-1t,7\n",
    )
    assert mistakes_of(path) == [
        "mine.csv:1: unknown diagnosis 'psoriassis' (did you mean 'psoriasis'?); "
        "a new one needs its group in a row `group`",
        "mine.csv:1: found column 'nme'; histology expects nme:early, nme:active, nme:chronic",
        "mine.csv:1: found column 'eczema:acut'; histology expects eczema:acute, eczema:subacute, "
        "eczema:chronic (did you mean 'acute'?)",
        "mine.csv: sources, psoriasis: unknown source 'kheir1968' (did you mean 'kheir1986'?)",
        "mine.csv:3: parakeratosis, psoriasis: grade 4 in '4a'; expected 0, 1, 2 or 3",
        "mine.csv:3: parakeratosis, pellagra: '2a' cites nothing; "
        "name a source in brackets or in the row `sources`",
        "mine.csv:4: row 'parakeratosis' is given twice; first on line 3",
        "mine.csv:5: unknown finding 'hypergranuloses' (did you mean 'hypergranulosis'?)",
        "mine.csv:6: acantholysis, psoriasis: '2' has no evidence tag; expected one of a, u, c, t",
        "mine.csv:6: acantholysis, pellagra: unknown tag 'x' in '3x'; expected one of a, u, c, t",
        "mine.csv:6: acantholysis, eczema:acut: grade 1.5 in '1.5t'; expected 0, 1, 2 or 3",
        "mine.csv:7: 'erythema' is a clinical finding in a table of histology findings",
        "mine.csv:8: 7 cells where the first row has 6",
        "mine.csv:8: spongiosis, psoriasis: found 'marked'; expected a grade and a tag such as 2a",
        "mine.csv:8: spongiosis, pellagra: unknown source 'own-fil' (did you mean 'own-file'?)",
        "mine.csv:8: spongiosis, eczema:acut: grade -1 in '-1t'; expected 0, 1, 2 or 3",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected `finding` and the diagnoses"),
        ("diagnosis,nme:early\n", "found 'diagnosis,nme:early'; expected `finding`"),
        ("finding,psoriasis,psoriasis\nspongiosis,1t,1t\n", "column 'psoriasis' is given twice"),
        (
            "finding,impetigo\nspongiosis,1t\n",
            f"... ({len(HISTOLOGY) - 1} in all)",
        ),
        (
            "finding,mine\ngroup,spongiotik\nspongiosis,1t\n",
            "unknown group 'spongiotik' (did you mean 'spongiotic'",
        ),
        ("finding,psoriasis\ntag,z\nspongiosis,1\n", "tag, psoriasis: unknown tag 'z'"),
    ],
)
def test_a_mistake_is_told_in_words(text: str, told: str, tmp_path: Path) -> None:
    assert told in "\n".join(mistakes_of(write(tmp_path, text)))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(b"finding,psoriasis\nspongiosis,1t \xe9\n")
    assert "cannot be read as UTF-8 text" in mistakes_of(path)[0]
    assert "No such file" in mistakes_of(tmp_path / "none.csv")[0]


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.booleans())
def test_wild_files_are_told_in_words_or_read(text: str, headed: bool) -> None:
    words = Words(OURS.sources, OURS.findings, OURS.groups, OURS.diagnoses)

    problems = Problems()
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), f"finding,psoriasis\nspongiosis,{text}" if headed else text)
        table = read_profiles(path, words, problems)
    assert problems.lines or table.cells


def test_an_overlay_replaces_cells_and_leaves_the_rest(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "finding,psoriasis,nme:early\nsources,own-file,\ntag,a,\nspongiosis,2,\nparakeratosis,,2a [own-file kheir1986]\n",
    )
    mine = load_knowledge(path)
    before, after = (k.profiles_of("histology", "psoriasis")[0].cells for k in (OURS, mine))
    assert (str(before["spongiosis"]), str(after["spongiosis"])) == ("1c", "2a")
    assert after["spongiosis"].sources == ("own-file",)
    assert {k: c for k, c in after.items() if k != "spongiosis"} == {
        k: c for k, c in before.items() if k != "spongiosis"
    }
    early = mine.profiles_of("histology", "nme")[0].cells["parakeratosis"]
    assert (str(early), early.sources) == ("2a", ("own-file", "kheir1986"))
    assert [p.key for p in mine.profiles] == [p.key for p in OURS.profiles]
    assert mine.profiles_of("clinical") == OURS.profiles_of("clinical")
    assert mine.fingerprint != OURS.fingerprint
    assert load_knowledge() is OURS


def test_an_overlay_adds_profiles_and_diagnoses(tmp_path: Path) -> None:
    rows = "".join(f"{key};1;0t\n" for key in HISTOLOGY)
    head = "\ufefffinding;impetigo;kwashiorkor\ngroup;;necrolytic\nsources;own-file;\ntag;a;t\n"
    mine = load_knowledge(write(tmp_path, head + rows))
    impetigo, kwashiorkor = mine.profiles[-2:]
    assert (impetigo.key, kwashiorkor.key) == ("impetigo", "kwashiorkor")
    assert list(impetigo.cells) == HISTOLOGY
    assert {str(cell) for cell in impetigo.cells.values()} == {"1a"}
    assert mine.diagnoses["kwashiorkor"].group == mine.group_of["kwashiorkor"] == "necrolytic"
    assert "kwashiorkor" not in load_knowledge().diagnoses


def test_the_shipped_files_are_valid_overlays_of_themselves() -> None:
    for modality in ("histology", "clinical"):
        assert load_knowledge(DATA / f"profiles-{modality}.csv").profiles == OURS.profiles


BREAKS = {
    "sources.yaml": [("reliability: tertiary; one of its headings names another disease", "reliabilty: low")],
    "findings.yaml": [
        ("definition: nuclei kept in the horn; say whether confluent, focal or abrupt", 'definition: ""'),
        ("needs: [horn]\n    sources: [xian-series2021]", "needs: [hron]\n    sources: []"),
        ("merges_with: intracellular_oedema", "merges_with: intracellular_edema"),
    ],
    "diagnoses.yaml": [
        ("group: psoriasiform\n    icd10: L40\n", "group: psoriasifrom\n    icd10: L40\n"),
        ("separable_on_he: weak", "separable_on_he: weakly"),
    ],
    "profiles-clinical.csv": [("\nglossitis,2a,1t", "\nglossitis,2a,")],
    "associations.csv": [("weight_loss,glucagonoma with NME,4,7,", "weight_loss,glucagonoma with NME,8,7,")],
    "frequencies.csv": [
        ("tinea,histology,parakeratosis,parakeratosis,,18,72", "tinea,histology,dermal_mucine,p,1,18,72")
    ],
    "workup.yaml": [("sources: [droracle2025]", "sources: [droracle]")],
    "cases.csv": [("xian-7,", "xian-1,")],
}
TOLD = [
    "sources.yaml: leaflet-nme: reliabilty: unknown key (did you mean 'reliability'?)",
    "sources.yaml: leaflet-nme: reliability: missing",
    "findings.yaml: histology: parakeratosis: definition: found ''",
    "findings.yaml: hyperkeratosis_ortho: unknown need 'hron' (did you mean 'horn'?)",
    "findings.yaml: hyperkeratosis_ortho: cites nothing",
    "merges with unknown 'intracellular_edema' (did you mean 'intracellular_oedema'?)",
    "diagnoses.yaml: psoriasis: unknown group 'psoriasifrom' (did you mean 'psoriasiform'?)",
    "diagnoses.yaml: diagnoses: pellagra: separable_on_he: found 'weakly'",
    "profiles-clinical.csv:1: column 'acrodermatitis_enteropathica' has no grade for glossitis (1 in all)",
    "k 8 is larger than n 7",
    "unknown finding 'dermal_mucine' (did you mean 'dermal_mucin'?)",
    "expected one of k (with n), percent and value",
    "workup.yaml: thrombosis: unknown source 'droracle' (did you mean 'droracle2025'?)",
    "patient_id 'xian-1'; expected one that is given once",
]


def test_mistakes_in_all_files_are_told_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(DATA, folder)
    for name, changes in BREAKS.items():
        text = (folder / name).read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_tables(folder)
    message = str(caught.value)
    assert [told for told in TOLD if told not in message] == []


def test_the_fingerprint_follows_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(DATA, folder)
    assert read_tables(folder).fingerprint == OURS.fingerprint
    path = folder / "workup.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert read_tables(folder).fingerprint != OURS.fingerprint
