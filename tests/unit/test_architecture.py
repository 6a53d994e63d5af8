"""The rules of the house: who may import whom, how long a file may be, and that importing does no work."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Who may import whom. Every module belongs to one layer; a layer may import itself and those named here.
# "vocabulary" is every module that lies directly in nmevision/ except cli.py and doctor.py, and knowledge/.
VOCABULARY = "vocabulary"
MIDDLE = ("data", "phantom", "networks", "evaluation")  # never one another
UPPER = ("training", "inference", "reporting")  # never one another
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    VOCABULARY: (),
    **dict.fromkeys(MIDDLE, (VOCABULARY,)),
    **dict.fromkeys(UPPER, (VOCABULARY, *MIDDLE)),
    "reader": (VOCABULARY, "data", "evaluation", "reporting"),  # the page that a person reads
    "journeys": (VOCABULARY, *MIDDLE, *UPPER, "reader"),  # what needs several of UPPER at once
    "doctor": (VOCABULARY, *MIDDLE, *UPPER),
    "server": (VOCABULARY, *MIDDLE, "inference", "reporting", "reader"),
    "cli": (VOCABULARY, *MIDDLE, *UPPER, "reader", "journeys", "doctor", "server"),
}
PACKAGES_OF_THE_VOCABULARY = ("knowledge",)

# Libraries that only one place may import.
ONLY_IN: dict[str, str] = {
    "lightning": "nmevision.training",
    "pytorch_lightning": "nmevision.training",
    "albumentations": "nmevision.data.transforms",
}

# Layers that work without torch and without anything that brings it along, anywhere in their files.
HEAVY = ("torch", "torchvision", "timm", "lightning", "pytorch_lightning")
WITHOUT_TORCH = (VOCABULARY, "phantom", "evaluation", "reporting", "reader")

# cli and doctor may load torch inside a function, never when they are imported themselves.
LIGHT_TO_IMPORT = (*WITHOUT_TORCH, "cli", "doctor")

MOST_LINES_OF_A_FILE = 350
MOST_LINES_OF_A_FUNCTION = 60
NO_SUCH_NAMES = ("utils.py", "util.py", "helpers.py", "misc.py", "common.py")


def module_name(path: Path, package: Path) -> str:
    """Return the dotted name of a file: nmevision/data/images.py -> nmevision.data.images."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str, package: Path) -> str:
    """Return the layer that a module of the house belongs to; an unknown folder is a layer of its own name."""
    parts = module.split(".")
    if len(parts) == 1 or parts[1] in PACKAGES_OF_THE_VOCABULARY:
        return VOCABULARY
    if parts[1] in MAY_IMPORT or (package / parts[1]).is_dir():
        return parts[1]
    return VOCABULARY


def imports_of(path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and full name of everything a file imports, inside functions and TYPE_CHECKING too."""
    here = module_name(path, package)
    parent = here if path.name == "__init__.py" else here.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                ancestors = parent.split(".")[: len(parent.split(".")) - node.level + 1]
                base = ".".join([*ancestors, base] if base else ancestors)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def violations(package: Path) -> list[str]:
    """Return one line for every import of a package that the rules above forbid."""
    wrong = []
    for path in sorted(package.rglob("*.py")):
        here = module_name(path, package)
        layer = layer_of(here, package)
        if layer not in MAY_IMPORT:
            wrong.append(f"{here}: the folder '{layer}' has no place in MAY_IMPORT")
            continue
        for line, name in imports_of(path, package):
            top = name.split(".")[0]
            where = f"{here}:{line} imports {name}"
            if top == package.name:
                other = layer_of(name, package)
                if other != layer and other not in MAY_IMPORT[layer]:
                    wrong.append(f"{where}: {layer} may not import {other}")
            home = ONLY_IN.get(top)
            if home and not f"{here}.".startswith(f"{home}."):
                wrong.append(f"{where}: only {home} may")
            if top in HEAVY and layer in WITHOUT_TORCH:
                wrong.append(f"{where}: {layer} works without torch")
    return wrong


def python_files(*folders: str) -> list[Path]:
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert files
    return files


def test_imports_obey_the_rules() -> None:
    assert violations(ROOT / "nmevision") == []


PLANTED = {
    "nmevision/__init__.py": "",
    "nmevision/config.py": "import torch.nn as nn\n",
    "nmevision/errors.py": "from nmevision.data import images\n",
    "nmevision/knowledge/__init__.py": "from ..training import run\n",
    "nmevision/data/__init__.py": "",
    "nmevision/data/images.py": "def f():\n    from nmevision import phantom\n",
    "nmevision/data/transforms.py": "import albumentations\nfrom . import images\n",
    "nmevision/data/dataset.py": "from albumentations import Compose\n",
    "nmevision/phantom/__init__.py": "from typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    from nmevision.networks.bundle import Bundle\n",
    "nmevision/evaluation/metrics.py": "from torchvision.ops import nms\n",
    "nmevision/training/run.py": "import lightning\nfrom ..inference.predictor import Predictor\n",
    "nmevision/inference/predictor.py": "import lightning.pytorch as pl\nimport nmevision.cli\n",
    "nmevision/reporting/report.py": "import importlib\ntimm = importlib.import_module('timm')\n",
    "nmevision/journeys/__init__.py": "import nmevision.training.run\nimport nmevision.inference.predictor\n",
    "nmevision/reporting/figures.py": "from nmevision import journeys\n",
    "nmevision/cli.py": "from nmevision.doctor import run_checks\nimport nmevision.training.run\n",
    "nmevision/doctor.py": "def f():\n    import nmevision.training.run\n    import nmevision.cli\n",
    "nmevision/extras/new.py": "",
}
EXPECTED = [
    "nmevision.config:1 imports torch.nn: vocabulary works without torch",
    "nmevision.data.dataset:1 imports albumentations.Compose: only nmevision.data.transforms may",
    "nmevision.data.images:2 imports nmevision.phantom: data may not import phantom",
    "nmevision.doctor:3 imports nmevision.cli: doctor may not import cli",
    "nmevision.errors:1 imports nmevision.data.images: vocabulary may not import data",
    "nmevision.evaluation.metrics:1 imports torchvision.ops.nms: evaluation works without torch",
    "nmevision.extras.new: the folder 'extras' has no place in MAY_IMPORT",
    "nmevision.inference.predictor:1 imports lightning.pytorch: only nmevision.training may",
    "nmevision.inference.predictor:2 imports nmevision.cli: inference may not import cli",
    "nmevision.knowledge:1 imports nmevision.training.run: vocabulary may not import training",
    "nmevision.phantom:3 imports nmevision.networks.bundle.Bundle: phantom may not import networks",
    "nmevision.reporting.figures:1 imports nmevision.journeys: reporting may not import journeys",
    "nmevision.reporting.report:2 imports timm: reporting works without torch",
    "nmevision.training.run:2 imports nmevision.inference.predictor.Predictor: training may not import inference",
]


def test_the_checker_finds_planted_violations(tmp_path: Path) -> None:
    for name, text in PLANTED.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert sorted(violations(tmp_path / "nmevision")) == EXPECTED


def test_files_and_functions_are_short() -> None:
    long = []
    for path in python_files("nmevision", "scripts"):
        text = path.read_text(encoding="utf-8")
        name, lines = path.relative_to(ROOT).as_posix(), len(text.splitlines())
        if lines > MOST_LINES_OF_A_FILE:
            long.append(f"{name} has {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MOST_LINES_OF_A_FUNCTION:
                    long.append(f"{name}:{node.lineno} {node.name} has {length} lines")
    assert long == []


def test_no_drawer_for_everything() -> None:
    found = [path for path in python_files("nmevision", "scripts", "tests") if path.name in NO_SUCH_NAMES]
    assert found == []


# Imports the modules named on the command line while watching for writes and the network. Third parties'
# own caches and probes (fonts, temporary files) go to a home folder made for it and are not the house's doing.
WATCH = """
import importlib, os, sys
seen = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname",
                 "socket.sendto", "os.mkdir", "os.rename", "os.remove"):
        seen.append((event, arguments))
    elif event == "open" and isinstance(arguments[0], str | bytes):
        path, mode, flags = arguments
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and os.fsdecode(path) != os.devnull:
            seen.append((event, arguments))
sys.addaudithook(watch)
for name in sys.argv[1:]:
    importlib.import_module(name)
for event, arguments in seen:
    print(event, *arguments, sep="|")
print("loaded", *(name for name in ("torch", "torchvision", "timm", "lightning") if name in sys.modules))
"""


def import_in_a_clean_process(modules: list[str], folder: Path) -> list[str]:
    """Import modules in a new process that starts in an empty folder; return what it did, line by line."""
    home, work = folder / "home", folder / "work"
    home.mkdir()
    work.mkdir()
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    environment |= {"MPLCONFIGDIR": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["TORCHINDUCTOR_CACHE_DIR"] = str(home)
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *modules],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert list(work.iterdir()) == []
    return [line for line in done.stdout.splitlines() if str(home) not in line]


def modules_of(*layers: str) -> list[str]:
    package = ROOT / "nmevision"
    names = (module_name(path, package) for path in python_files("nmevision"))
    return [name for name in names if not layers or layer_of(name, package) in layers]


@pytest.mark.slow
def test_importing_does_no_work(tmp_path: Path) -> None:
    *done, _ = import_in_a_clean_process(modules_of(), tmp_path)
    assert done == []


def test_layers_without_torch_do_not_load_it_by_any_way(tmp_path: Path) -> None:
    assert import_in_a_clean_process(modules_of(*LIGHT_TO_IMPORT), tmp_path) == ["loaded"]


def test_the_watcher_sees_work_at_import(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(
        "import os, socket\n"
        "open('made', 'w').close()\n"
        "os.remove('made')\n"
        "try: socket.create_connection(('127.0.0.1', 1), timeout=0.01)\n"
        "except OSError: pass\n"
    )
    seen = import_in_a_clean_process(["busy"], tmp_path)
    assert [line.partition("|")[0] for line in seen[:-1]] == [
        "open",
        "os.remove",
        "socket.getaddrinfo",
        "socket.connect",
    ]
