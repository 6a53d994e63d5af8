"""The command line: one verb, at most ten lines; what is heavy is imported inside the verb."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from nmevision import __version__
from nmevision.cli.data import MPP, data
from nmevision.cli.knowledge import knowledge
from nmevision.cli.memory import restart_where_own

EPILOG = "For research. Not a medical device."
app = typer.Typer(
    help="Necrolytic migratory erythema versus its mimics, on clinical photos and H&E histology.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data, name="data")
app.add_typer(knowledge, name="knowledge")

Out = Annotated[Path, typer.Option(help="folder for the results")]
Resume = Annotated[bool, typer.Option("--resume", help="continue what was interrupted")]
SHARD = "i/n: only the i-th of n shares, from 1; the last merges. By itself under torchrun and srun"


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
    context: typer.Context,
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
    restart_where_own(context.obj)
    from nmevision.journeys.train_and_test import train_and_test

    train_and_test(experiment, resume)


@app.command(epilog=EPILOG)
def sweep(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(help="such as configs/sweeps/phantom.yaml")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key.sub=value ... for all trials")] = None,
    launcher: Annotated[
        Literal["debug", "local", "slurm"], typer.Option(help="in this process, in others, or as jobs")
    ] = "local",
    out: Annotated[Path | None, typer.Option(help="folder; sweeps/NAME by default")] = None,
) -> None:
    """Train one experiment with other values, compared on validation; called again, it goes on."""
    restart_where_own(context.obj)
    from nmevision.journeys.sweep.run import run_sweep

    outcome = run_sweep(config, overrides or [], launcher, out)
    print(outcome.text)
    raise typer.Exit(1 if outcome.missing else 0)


@app.command(epilog=EPILOG)
def predict(
    bundle: Annotated[Path, typer.Argument(help="a trained model's folder, such as models/my-model")],
    images: Annotated[Path, typer.Argument(help="a folder (recursively), one image, or a manifest")],
    out: Out,
    resume: Resume = False,
    split: Annotated[str | None, typer.Option(help="only these rows of the manifest")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="shrinks when memory runs out")] = None,
    max_pixels: Annotated[int, typer.Option(min=1, help="larger images are refused unread")] = 200_000_000,
    report: Annotated[bool, typer.Option("--report", help="also write report.html, to read them in")] = False,
    overlays: Annotated[str, typer.Option(help="findings or groups: heat maps of where")] = "",
    mpp: Annotated[float | None, typer.Option(min=0.05, max=10, help=MPP)] = None,
    max_tiles: Annotated[int, typer.Option(min=1, help="of one whole slide")] = 300,
    aggregate: Annotated[str, typer.Option(help="tiles to a slide's answer: topk, mean or max")] = "topk",
    engine: Annotated[
        Literal["auto", "openvino", "onnx", "torch"], typer.Option(help="the fastest sound one")
    ] = "auto",
    int8: Annotated[bool, typer.Option("--int8", help="in 8 bits, with the loss its card tells")] = False,
    shard: Annotated[str | None, typer.Option(help=SHARD)] = None,
) -> None:
    """Run a model over images: one row per file, whatever the files are like."""
    from nmevision.inference.aggregate import aggregation_of
    from nmevision.inference.predictor import Predictor
    from nmevision.inference.shards import shard_of
    from nmevision.inference.slides import SlideOptions
    from nmevision.journeys.predict import predict_images

    part = shard_of(shard)
    predictor = Predictor.load(bundle, batch_size, max_pixels, engine, int8)
    slides = SlideOptions(mpp, max_tiles, aggregation_of(aggregate))
    table = predict_images(
        predictor,
        images,
        out,
        resume=resume,
        split=split,
        slides=slides,
        overlays=overlays,
        report=report,
        shard=part,
    )
    raise typer.Exit(1 if table is not None and table.counts()["error"] else 0)


@app.command(epilog=EPILOG)
def report(
    predictions: Annotated[Path | None, typer.Argument(help="folder of `nmevision predict`")] = None,
    images: Annotated[Path | None, typer.Option(help="the folder or manifest that was predicted on")] = None,
    out: Annotated[Path | None, typer.Option(help="file; report.html in the folder by default")] = None,
    beside: Annotated[bool, typer.Option("--beside", help="large images into a folder beside it")] = False,
    references: Annotated[
        tuple[Path, Path] | None, typer.Option(help="FEATURES MANIFEST of a set: shows the nearest cases")
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="of the images; features.safetensors in the folder by default")
    ] = None,
    form: Annotated[bool, typer.Option("--form", help="an empty form to grade findings by hand")] = False,
    modality: Annotated[str, typer.Option(help="of the form: histology or clinical")] = "histology",
) -> None:
    """Write the page to read predictions in, one HTML file; or, with --form, a form without any image."""
    from nmevision.reader.page import write_page

    near = None
    if references is not None:
        from nmevision.journeys.references import nearest_references

        near = nearest_references(predictions, *references, features)
    print(write_page(predictions, out, form, modality, images, beside, near).resolve())


@app.command(epilog=EPILOG)
def correct(
    bundle: Annotated[Path, typer.Argument(help="the model that made the predictions")],
    predictions: Annotated[Path, typer.Argument(help="predictions.csv of `nmevision predict`")],
    out: Out,
    set_: Annotated[list[str] | None, typer.Option("--set", help="finding=grade, in every image")] = None,
    grades: Annotated[Path | None, typer.Option(help="a table: id and findings, true grades 0-3")] = None,
) -> None:
    """Give the true grades of findings; the answers follow without running the network."""
    from nmevision.journeys.correct import changes, correct
    from nmevision.predictions import read_predictions

    after = correct(bundle, predictions, out, set_ or [], grades)
    print(changes(read_predictions(predictions), after))
    print((out / "predictions.csv").resolve())


@app.command(epilog=EPILOG)
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="predictions.csv of `nmevision predict`")],
    manifest: Annotated[Path, typer.Argument(help="the table with the true diagnoses")],
    out: Out,
    positive: Annotated[str | None, typer.Option(help="diagnosis or group to report first")] = None,
    taxonomy: Annotated[Path | None, typer.Option(help="how the manifest's labels are read")] = None,
    author: Annotated[Path | None, typer.Option(help="YAML of what only you can tell; gaps say what")] = None,
    shortcuts: Annotated[
        Path | None, typer.Option(help="the model's folder: test it for shortcuts too")
    ] = None,
) -> None:
    """Score predictions: every figure with its n of patients and its interval."""
    from nmevision.reporting.evaluate import evaluate_files
    from nmevision.reporting.sentence import headline
    from nmevision.taxonomy import load_taxonomy

    if shortcuts is not None:
        from nmevision.journeys.shortcuts import find_shortcuts

        print(find_shortcuts(manifest, out, shortcuts, taxonomy, positive).text)
    reading = load_taxonomy(taxonomy) if taxonomy else None
    print(headline(evaluate_files(predictions, manifest, out, reading, positive, author=author)))
    print((out / "report.html").resolve())


@app.command(epilog=EPILOG)
def benchmark(
    suite: Annotated[Path, typer.Argument(help="such as configs/benchmarks/demo.yaml")],
    bundles: Annotated[
        list[Path] | None, typer.Argument(help="trained models' folders; none for findings")
    ] = None,
    out: Out = Path("benchmark"),
) -> None:
    """Run models over held-out image sets and write one leaderboard."""
    from nmevision.journeys.benchmark import run_suite

    board = run_suite(suite, bundles or [], out)
    print(board.text)
    print(board.path.resolve())


@app.command(epilog=EPILOG)
def combine(
    histology: Annotated[Path, typer.Argument(help="folder of `nmevision predict`: slides, H&E fields")],
    clinical: Annotated[Path, typer.Argument(help="another: photos of the same patients; in either order")],
    out: Out,
    prior: Annotated[Path | None, typer.Option(help="your own prior (YAML)")] = None,
) -> None:
    """Join the slides and the photos of each patient: side by side, as one answer, and where they disagree."""
    from nmevision.journeys.combine import combine

    print(combine(histology, clinical, out, prior).text)


@app.command(epilog=EPILOG)
def reason(
    grades: Annotated[Path, typer.Argument(help="a table: id, findings graded 0-3 (empty: not assessable)")],
    out: Out,
    modality: Annotated[str, typer.Option(help="histology or clinical")] = "histology",
    profiles: Annotated[Path | None, typer.Option(help="your own profiles, laid over ours")] = None,
    prior: Annotated[Path | None, typer.Option(help="your own prior (YAML)")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="finding=grade, in every case")] = None,
) -> None:
    """Reason from graded findings to groups and diagnoses: no image, no model."""
    from nmevision.journeys.reason import modality_of, reason_about

    outcome = reason_about(grades, out, modality_of(modality), profiles, prior, set_ or [])
    print(outcome.text)
    raise typer.Exit(1 if outcome.counts["error"] else 0)


@app.command(epilog=EPILOG)
def shortcuts(
    manifest: Annotated[Path, typer.Argument(help="the table with the true diagnoses; its images are read")],
    out: Out,
    bundle: Annotated[Path | None, typer.Option(help="a trained model's folder: test it as well")] = None,
    taxonomy: Annotated[Path | None, typer.Option(help="how labels are read; the model's by default")] = None,
    positive: Annotated[str | None, typer.Option(help="diagnosis or group; the model's, or nme")] = None,
    most: Annotated[int, typer.Option(min=2, help="images shown to the model in all variants")] = 500,
) -> None:
    """Look for what tells the classes apart without the disease: in the images, and in a model."""
    from nmevision.journeys.shortcuts import find_shortcuts

    print(find_shortcuts(manifest, out, bundle, taxonomy, positive, most).text)


@app.command(epilog=EPILOG)
def features(
    bundle: Annotated[str, typer.Argument(help="a trained model's folder, or `colours`: the baseline")],
    manifest: Annotated[Path, typer.Argument(help="the table of images, or a folder of them")],
    out: Annotated[Path, typer.Option(help="file to write, such as features.safetensors; continued")],
) -> None:
    """Compute what a model sees in each image, once, into a safe file."""
    from nmevision.inference.features import extract_with

    outcome = extract_with(bundle, manifest, out)
    print(outcome.text)
    raise typer.Exit(1 if outcome.failed else 0)


@app.command("rare-class", epilog=EPILOG)
def rare_class(
    features: Annotated[Path, typer.Argument(help="as `nmevision features` wrote it")],
    manifest: Annotated[Path, typer.Argument(help="the table with the true diagnoses")],
    out: Out,
    config: Annotated[Path | None, typer.Option(help="YAML: surrogates, shots, episodes ...")] = None,
    taxonomy: Annotated[Path | None, typer.Option(help="how labels are read; as written by default")] = None,
    predictions: Annotated[Path | None, typer.Option(help="predictions.csv: adds the knowledge")] = None,
    colours: Annotated[Path | None, typer.Option(help="as `nmevision features colours` wrote it")] = None,
) -> None:
    """Hide known diseases in turn and reveal k patients: what are k patients with NME worth?"""
    from nmevision.journeys.rare_class import rare_class

    print(rare_class(features, manifest, out, config, taxonomy, predictions, colours).text)


@app.command(epilog=EPILOG)
def serve(
    bundle: Annotated[Path, typer.Argument(help="a trained model's folder, such as models/my-model")],
    host: Annotated[str, typer.Option(help="elsewhere than loopback a token is demanded")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one")] = 8000,
    token: Annotated[str | None, typer.Option(envvar="NMEVISION_TOKEN", help="made up if needed")] = None,
    allow_host: Annotated[list[str] | None, typer.Option(help="a name it is called by, as a proxy's")] = None,
    keep: Annotated[Path | None, typer.Option(help="keep uploads and results in this folder")] = None,
    forget_after: Annotated[float, typer.Option(min=0.1, help="minutes a finished upload is held")] = 60,
    max_file_mb: Annotated[int, typer.Option(min=1, help="larger files are refused")] = 4_000,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="larger uploads are refused")] = 8_000,
    max_files: Annotated[int, typer.Option(min=1, help="in one upload")] = 2_000,
    max_waiting: Annotated[int, typer.Option(min=1, help="uploads that may wait for the model")] = 20,
    batch_size: Annotated[int | None, typer.Option(min=1, help="shrinks when memory runs out")] = None,
    max_pixels: Annotated[int, typer.Option(min=1, help="larger images are refused unread")] = 200_000_000,
) -> None:
    """Open a local page to drop images on, and a JSON API; nothing is kept unless asked."""
    from nmevision.server.limits import MB, MINUTE, Limits
    from nmevision.server.settings import Settings, start

    sizes = (max_file_mb * MB, max_upload_mb * MB)
    limits = Limits(*sizes, max_files, max_waiting, forget_after * MINUTE)
    settings = Settings(host, port, token, tuple(allow_host or ()), keep, limits)
    start(bundle, settings, batch_size, max_pixels)


@app.command(epilog=EPILOG)
def doctor(
    hub: Annotated[
        bool, typer.Option("--hub", help="also ask whether pretrained weights can be had")
    ] = False,
) -> None:
    """Check versions, devices, disk and what to do about them."""
    from nmevision.doctor import print_checks, run_checks

    raise typer.Exit(print_checks(run_checks(hub)))
