"""The command line: one verb, at most ten lines; what is heavy is imported inside the verb."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from nmevision import __version__
from nmevision.errors import NmevisionError

EPILOG = "For research. Not a medical device."
STOPPED = 130
app = typer.Typer(
    help="Necrolytic migratory erythema versus its mimics, on clinical photos and H&E histology.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data = typer.Typer(help="Make and check tables of images.", no_args_is_help=True)
app.add_typer(data, name="data")

Out = Annotated[Path, typer.Option(help="folder for the results")]
Resume = Annotated[bool, typer.Option("--resume", help="continue what was interrupted")]


def main(verb: str | None = None) -> None:
    """Run the command line (or one of its verbs) and turn errors into one message and an exit code.

    0: done. 1: done, but some files could not be read. 2: wrong arguments, configuration or data.
    130: stopped by the user.
    """
    try:
        app(args=[verb, *sys.argv[1:]] if verb else None, prog_name="nmevision")
    except NmevisionError as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code == STOPPED:  # typer has caught the KeyboardInterrupt
            print("stopped; run the same command with --resume to continue", file=sys.stderr)
        raise


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """Necrolytic migratory erythema versus its mimics, on clinical photos and H&E histology."""


@app.command(epilog=EPILOG)
def train(
    config: Annotated[Path, typer.Argument(help="such as configs/histology.yaml")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key.sub=value ...")] = None,
    resume: Resume = False,
    print_config: Annotated[bool, typer.Option("--print-config", help="show every key, do nothing")] = False,
) -> None:
    """Train a model; the result is a bundle folder under models/."""
    from nmevision.config import load

    experiment = load(config, overrides or [])
    if print_config:
        print(experiment.to_yaml(Path.cwd()), end="")
        return
    from nmevision.journeys.train_and_test import train_and_test

    train_and_test(experiment, resume)


@app.command(epilog=EPILOG)
def predict(
    bundle: Annotated[Path, typer.Argument(help="a trained model's folder, such as models/my-model")],
    images: Annotated[Path, typer.Argument(help="a folder (recursively), one image, or a manifest")],
    out: Out,
    resume: Resume = False,
    split: Annotated[str | None, typer.Option(help="only these rows of the manifest")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="shrinks when memory runs out")] = None,
    max_pixels: Annotated[int, typer.Option(min=1, help="larger images are refused unread")] = 200_000_000,
) -> None:
    """Run a model over images: one row per file, whatever the files are like."""
    from nmevision.inference.predictor import Predictor
    from nmevision.inference.summary import summarise

    predictor = Predictor.load(bundle, batch_size, max_pixels)
    table = predictor.predict(images, out, resume=resume, split=split)
    print(summarise(table, predictor.bundle.info, out))
    raise typer.Exit(1 if table.counts()["error"] else 0)


@app.command(epilog=EPILOG)
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="predictions.csv of `nmevision predict`")],
    manifest: Annotated[Path, typer.Argument(help="the table with the true diagnoses")],
    out: Out,
    positive: Annotated[str | None, typer.Option(help="diagnosis or group to report first")] = None,
    taxonomy: Annotated[Path | None, typer.Option(help="how the manifest's labels are read")] = None,
) -> None:
    """Score predictions: every figure with its n of patients and its interval."""
    from nmevision.reporting.evaluate import evaluate_files
    from nmevision.reporting.sentence import headline
    from nmevision.taxonomy import load_taxonomy

    reading = load_taxonomy(taxonomy) if taxonomy else None
    print(headline(evaluate_files(predictions, manifest, out, reading, positive)))
    print((out / "report.md").resolve())


@app.command(epilog=EPILOG)
def benchmark(
    suite: Annotated[Path, typer.Argument(help="such as configs/benchmarks/demo.yaml")],
    bundles: Annotated[list[Path], typer.Argument(help="trained models' folders")],
    out: Out = Path("benchmark"),
) -> None:
    """Run models over held-out image sets and write one leaderboard."""
    from nmevision.journeys.benchmark import run_suite

    board = run_suite(suite, bundles, out)
    print(board.text)
    print(board.path.resolve())


@app.command(epilog=EPILOG)
def doctor(
    hub: Annotated[
        bool, typer.Option("--hub", help="also ask whether pretrained weights can be had")
    ] = False,
) -> None:
    """Check versions, devices, disk and what to do about them."""
    from nmevision.doctor import print_checks, run_checks

    raise typer.Exit(print_checks(run_checks(hub)))


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
) -> None:
    """Build a manifest from class folders or from a public set as it was downloaded."""
    from nmevision.journeys.index import write_index

    print(write_index(folder, out, source, modality or "", patient, licence, taxonomy))


@data.command("sources")
def data_sources() -> None:
    """List the public sets whose layout is known."""
    from nmevision.data.sources import SOURCES

    for name in SOURCES.names():
        public = SOURCES.get(name)
        print(f"{name}: {public.title} [{public.modality}, {public.n_images:,} images, {public.licence}]")


@data.command("check")
def data_check(
    manifest: Annotated[Path, typer.Argument(help="CSV or Parquet")],
    taxonomy: Annotated[Path | None, typer.Option(help="also judge the labels")] = None,
) -> None:
    """Judge a manifest and read every image of it once."""
    from nmevision.journeys.index import check_manifest

    raise typer.Exit(check_manifest(manifest, taxonomy))


@data.command("phantom")
def data_phantom(
    out: Annotated[Path, typer.Option(help="folder for the images and manifest.csv")],
    modality: Annotated[Literal["clinical", "histology"], typer.Option()] = "histology",
    n: Annotated[int, typer.Option(help="number of images")] = 400,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    size: Annotated[int, typer.Option(help="pixels")] = 224,
    laboratories: Annotated[int, typer.Option(help="differing stains or cameras")] = 4,
) -> None:
    """Draw synthetic images with known truth. They are never evidence about disease."""
    from nmevision.phantom.dataset import make
    from nmevision.progress import progress_bar

    with progress_bar("drawing", n) as step:
        print(make(out, modality, n, seed, size, laboratories, progress=step).resolve())


if __name__ == "__main__":
    main()
