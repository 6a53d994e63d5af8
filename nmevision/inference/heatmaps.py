"""Heat maps of one image: which places speak for each finding, and for each group by the learned route."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nmevision.errors import ConfigError, did_you_mean
from nmevision.grades import STEPS
from nmevision.knowledge.loading import load_knowledge
from nmevision.networks.attribution import Attribution
from nmevision.networks.bundle import Bundle
from nmevision.networks.tasks import DIAGNOSIS, FINDINGS
from nmevision.preprocessing import Preprocessing

Heat = NDArray[np.float32]
Kind = Literal["findings", "groups"]


def kind_of(word: str) -> Kind:
    """Return the kind of heat map that a user names; raise ConfigError with the nearest."""
    for kind in get_args(Kind):
        if word == kind:
            return kind
    raise ConfigError(
        f"--overlays {word}{did_you_mean(word, get_args(Kind))}; expected one of: {', '.join(get_args(Kind))}"
    )


class HeatMaps:
    """Draws one bundle's heat maps of one kind.

    A finding's score is the sum of its three logits; a group's is the log-odds of its members, in the head that
    learned from images: what the knowledge adds comes from the findings. Only the upright look is drawn.

    Raises ConfigError where the model has nothing of this kind, or heat maps cannot be drawn of its backbone.
    """

    def __init__(self, bundle: Bundle, kind: Kind) -> None:
        self.bundle, self.info, self.kind = bundle, bundle.info, kind
        self.names = _names(bundle, kind)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._network = bundle.network().to(self.device).requires_grad_(False)
        self._attribution = Attribution(self._network.backbone)
        diagnoses = bundle.info.taxonomy.diagnoses
        self._known = [i for i, d in enumerate(diagnoses) if d.key not in bundle.info.unlearned]
        self._members = [[i for i in self._known if diagnoses[i].group == key] for key in self.names]

    def change(self, change: Callable[[nn.Module], None]) -> None:
        """Change the network, for controls such as shuffled weights."""
        change(self._network)

    def of(self, pixels: NDArray[np.uint8], keys: Sequence[str] | None = None) -> dict[str, Heat]:
        """Return key -> heat over the network's frame, h x w of its grid; below 0: speaks against it.

        pixels: RGB, upright, any height x width x 3. keys: of `names`, one or more; all by default.
        """
        image = torch.from_numpy(self.info.preprocessing(pixels))[None].to(self.device)
        every = self._finding_scores if self.kind == "findings" else self._group_scores
        wanted = list(self.names) if keys is None else list(keys)
        places = [list(self.names).index(key) for key in wanted]
        heats = self._attribution(image, lambda features: every(features)[:, places], len(places))
        return dict(zip(wanted, heats, strict=True))

    def _finding_scores(self, features: Tensor) -> Tensor:
        logits: Tensor = self._network.heads[FINDINGS](features)
        return logits.unflatten(1, (-1, STEPS)).sum(2)

    def _group_scores(self, features: Tensor) -> Tensor:
        logits: Tensor = self._network.heads[DIAGNOSIS](features)
        odds = []
        for members in self._members:
            others = [i for i in self._known if i not in members]
            odds.append(logits[:, members].logsumexp(1) - logits[:, others].logsumexp(1))
        return torch.stack(odds, 1)


def _names(bundle: Bundle, kind: Kind) -> dict[str, str]:
    """Return key -> name of what can be drawn; raise ConfigError where that is nothing."""
    info = bundle.info
    if kind == "findings":
        if not info.findings:
            raise ConfigError(f"{bundle.folder} grades no findings; use --overlays groups")
        known = load_knowledge().findings
        keys = [finding.key for finding in info.findings]
        return {key: known[key].name if key in known else key for key in keys}
    learned = {d.group for d in info.taxonomy.diagnoses if d.key not in info.unlearned}
    names = {group.key: group.name for group in info.taxonomy.groups if group.key in learned}
    if len(names) < 2:
        raise ConfigError(f"{bundle.folder} has not learned to tell groups apart; use --overlays findings")
    return names


def upright(heat: Heat, frame: Preprocessing, shape: tuple[int, int], longest: int) -> Heat:
    """Return what speaks for it (0 or more) over the upright image, its longer side at most `longest` pixels.

    heat: h x w over the network's frame. shape: height and width of the image; what the frame cuts off is 0.
    """
    scale = min(1.0, longest / max(shape))
    height, width = (max(1, round(side * scale)) for side in shape)
    left, top, right, bottom = frame.window(*shape)
    across, down = shape[1] / width / (right - left), shape[0] / height / (bottom - top)
    x, y = (np.arange(n) + 0.5 for n in (width, height))
    u, v = x * across - left / (right - left), y * down - top / (bottom - top)
    seen = ((v >= 0) & (v <= 1))[:, None] & ((u >= 0) & (u <= 1))[None, :]
    columns, rows = np.meshgrid(u * heat.shape[1] - 0.5, v * heat.shape[0] - 0.5)
    positive = np.maximum(heat, 0).astype(np.float32)
    places = columns.astype(np.float32), rows.astype(np.float32)
    drawn = cv2.remap(positive, *places, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.where(seen, np.maximum(drawn, 0), 0).astype(np.float32)
