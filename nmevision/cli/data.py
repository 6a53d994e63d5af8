"""The verbs of `nmevision data`: tables of images are made, checked and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from nmevision.cli.memory import restart_where_own

data = typer.Typer(help="Make and check tables of images.", no_args_is_help=True)
MPP = "of slides: micrometres per pixel where the file does not say"


@data.command("index")
def data_index(
    folder: Annotated[Path, typer.Argument(help="class folders (FOLDER/psoriasis/1.jpg), or a public set")],
    out: Annotated[
        Path | None, typer.Option(help="manifest to write; FOLDER/manifest.csv by default")
    ] = None,
    source: Annotated[str | None, typer.Option(help="a public set's name; `data sources` lists them")] = None,
    modality: Annotated[Literal["clinical", "histology"] | None, typer.Option()] = None,
    patient: Annotated[str, typer.Option(help="regular expression with (?P<patient>...) for the path")] = "",
    licence: Annotated[str, typer.Option(help="such as own or CC-BY-4.0")] = "",
    taxonomy: Annotated[Path | None, typer.Option(help="leave out labels it has no word for")] = None,
    allow_nc: Annotated[
        bool, typer.Option("--allow-nc", help="your use keeps to non-commercial or research terms")
    ] = False,
    column: Annotated[list[str] | None, typer.Option(help="of a CSV: diagnosis=label, path=file ...")] = None,
    slides: Annotated[bool, typer.Option("--slides", help="slides by case folder, without labels")] = False,
) -> None:
    """Build a manifest from class folders, a CSV, slides or a public set as it was downloaded."""
    from nmevision.journeys.index import write_index

    where = (folder, out, source, modality or "", patient, licence, taxonomy)
    print(write_index(*where, allow_nc=allow_nc, columns=column or (), slides=slides))


@data.command("sources")
def data_sources() -> None:
    """List the public sets whose layout is known: terms, what is usable, what it can show about NME."""
    from nmevision.data.sources import describe_sources

    print(describe_sources())


@data.command("check")
def data_check(
    manifest: Annotated[Path, typer.Argument(help="CSV or Parquet")],
    taxonomy: Annotated[Path | None, typer.Option(help="also judge the labels")] = None,
) -> None:
    """Judge a manifest and read every image of it once."""
    from nmevision.journeys.index import check_manifest

    raise typer.Exit(check_manifest(manifest, taxonomy))


@data.command("audit")
def data_audit(
    manifest: Annotated[Path, typer.Argument(help="CSV or Parquet")],
    out: Annotated[Path, typer.Option(help="folder for findings.csv, pairs.csv, manifest.csv ...")],
    taxonomy: Annotated[
        Path | None, typer.Option(help="labels that mean one diagnosis do not conflict")
    ] = None,
) -> None:
    """Find duplicates (turned, cropped, re-compressed), what crosses splits, and poor images."""
    from nmevision.journeys.audit import audit_manifest

    audit = audit_manifest(manifest, out, taxonomy)
    print(audit.text)
    raise typer.Exit(audit.code)


@data.command("provenance")
def data_provenance(
    table: Annotated[Path, typer.Argument(help="a manifest or a public set's own table (CSV)")],
    out: Annotated[Path, typer.Option(help="overlay to write: a CSV of suggestions")],
    id: Annotated[str | None, typer.Option(help="column of the ids")] = None,
    label: Annotated[str | None, typer.Option(help="column of the labels")] = None,
    says: Annotated[list[str] | None, typer.Option(help="columns with URLs, paths or captions")] = None,
) -> None:
    """List labels that the image's URL, folder or caption contradicts, for a person to judge."""
    from nmevision.journeys.provenance import review_provenance

    print(review_provenance(table, out, id, label, says or ()))


@data.command("apply-overlay")
def data_apply_overlay(
    manifest: Annotated[Path, typer.Argument(help="CSV or Parquet; it is not changed")],
    overlay: Annotated[Path, typer.Argument(help="as `data provenance` wrote it, with decisions")],
    out: Annotated[Path, typer.Option(help="corrected manifest to write")],
) -> None:
    """Write a manifest with the corrections of an overlay that a person accepted."""
    from nmevision.journeys.provenance import write_corrected

    print(write_corrected(manifest, overlay, out))


@data.command("tiles")
def data_tiles(
    slide: Annotated[Path, typer.Argument(help="a whole slide")],
    out: Annotated[Path, typer.Option(help="folder for the picture and tiles.csv")],
    mpp: Annotated[float | None, typer.Option(min=0.05, max=10, help=MPP)] = None,
    tile_um: Annotated[float, typer.Option(min=10, help="side of a tile, micrometres")] = 400.0,
    max_tiles: Annotated[int, typer.Option(min=1)] = 300,
) -> None:
    """Draw which tiles of a slide would be read, in the order of their worth."""
    from nmevision.data.tile_picture import draw_tiles

    print(draw_tiles(slide, out, mpp, tile_um, max_tiles))


@data.command("phantom")
def data_phantom(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="folder for the images and manifest.csv")],
    modality: Annotated[Literal["clinical", "histology"], typer.Option()] = "histology",
    n: Annotated[int, typer.Option(help="number of images")] = 400,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    size: Annotated[int | None, typer.Option(help="pixels; 512, photos 384 by default")] = None,
    laboratories: Annotated[int, typer.Option(help="differing stains or cameras")] = 4,
    mpp: Annotated[float, typer.Option(help="H&E: micrometres per pixel, 0.25 to 2")] = 1.0,
    artefacts: Annotated[float, typer.Option(help="H&E: chance of each kind of artefact")] = 0.0,
    off_surface: Annotated[float, typer.Option(help="H&E: share without a whole surface, 0 to 0.5")] = 0.25,
    diagnoses: Annotated[
        str, typer.Option(help="nme,psoriasis,... the positive one first; named twice: drawn twice as often")
    ] = "",
    unseen_tone: Annotated[
        list[int] | None, typer.Option(min=1, max=6, help="photos: Fitzpatrick type for the test set alone")
    ] = None,
    shortcut: Annotated[str | None, typer.Option(help="plant a confounder, such as watermark:0.9")] = None,
) -> None:
    """Draw synthetic images with known truth. They are never evidence about disease."""
    restart_where_own(context.obj)
    from nmevision.phantom.dataset import DIAGNOSES, make
    from nmevision.phantom.shortcuts import parse_shortcut
    from nmevision.progress import progress_bar

    chosen, tones = tuple(diagnoses.split(",")) if diagnoses else DIAGNOSES, unseen_tone or ()
    planted = parse_shortcut(shortcut) if shortcut else None
    with progress_bar("drawing", n) as step:
        print(
            make(
                out, modality, n, seed, size, laboratories, progress=step,
                mpp=mpp, artefacts=artefacts, diagnoses=chosen, unseen_tones=tones, shortcut=planted,
                off_surface=off_surface,
            ).resolve()
        )  # fmt: skip


@data.command("phantom-slide")
def data_phantom_slide(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="slide to write, ending in .tif")],
    diagnosis: Annotated[str, typer.Option(help="of the lesional stretches")] = "nme",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    width: Annotated[int, typer.Option(help="pixels, a multiple of 1024")] = 24_576,
    height: Annotated[int, typer.Option(help="pixels, a multiple of 1024")] = 12_288,
    mpp: Annotated[float, typer.Option(help="micrometres per pixel, 0.25 to 2")] = 0.5,
    laboratory: Annotated[int, typer.Option(min=0)] = 1,
    processes: Annotated[int, typer.Option(help="workers")] = 1,
) -> None:
    """Draw a whole synthetic slide with planted lesions, its label map and what was planted where."""
    restart_where_own(context.obj)
    from nmevision.phantom.slide import BLOCK, make_slide
    from nmevision.progress import progress_bar

    with progress_bar("drawing", max(1, width // BLOCK * (height // BLOCK))) as step:
        print(make_slide(out, diagnosis, seed, width, height, mpp, laboratory, processes, step).resolve())
