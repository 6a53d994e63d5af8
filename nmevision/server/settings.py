"""How a server is run, and the start of one: the web framework is an extra that may not be installed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nmevision.errors import ConfigError
from nmevision.server.limits import Limits


@dataclass(frozen=True)
class Settings:
    """How a server is run.

    host, port: where it listens; port 0 takes any free one.
    token: what requests must carry; made up where it is needed and not given.
    names: further host names by which it is called, such as a proxy's.
    keep: a folder in which uploads and results stay.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    names: tuple[str, ...] = ()
    keep: Path | None = None
    limits: Limits = field(default_factory=Limits)


def start(bundle: Path, settings: Settings, batch_size: int | None, max_pixels: int) -> None:
    """Load a model and serve it until the program is stopped.

    Raises ConfigError where the extra `serve` is not installed or a setting cannot be used, BundleError where the
    model cannot be.
    """
    try:
        from nmevision.server.run import serve
    except ModuleNotFoundError as missing:
        raise ConfigError(
            f"`nmevision serve` needs {missing.name}, which is not installed: pip install 'nmevision[serve]'"
        ) from None
    from nmevision.inference.predictor import Predictor
    from nmevision.server.results import page_of_cases

    def load() -> Predictor:
        predictor = Predictor.load(bundle, batch_size, max_pixels)
        predictor.wait_until_ready()
        return predictor

    serve(load, settings, page_of_cases)
