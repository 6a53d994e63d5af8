"""Where in an image a network's scores come from: gradient times activation on the grid of an inner layer.

The products are summed over the channels, place by place (HiResCAM: Draelos & Carin 2020, arXiv:2011.08891). The
layer is the last but one of timm's feature levels. In a CNN its grid is twice as fine as the last one; in a
transformer the last attention still lies behind it, through which every place reaches the class token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nmevision.errors import ConfigError

Scores = Callable[[Tensor], Tensor]
"""Pooled features N x D -> scores N x S."""
CHUNK = 16
"""Scores looked at in one pass of the layers behind the grid; bounds the memory."""


class Attribution:
    """Reads where a backbone's features make a score what it is.

    Raises ConfigError where timm names no feature levels of this backbone, or captum is not installed.
    """

    def __init__(self, backbone: nn.Module) -> None:
        levels = getattr(backbone, "feature_info", None)
        if not isinstance(levels, list) or len(levels) < 2:
            raise ConfigError(
                f"heat maps need a backbone whose feature levels timm names; {type(backbone).__name__} names "
                "none: predict without --overlays"
            )
        self.backbone = backbone
        self.layer = backbone.get_submodule(levels[-2]["module"])
        self.channels = int(levels[-2]["num_chs"])
        self._method = _input_times_gradient()

    def __call__(self, image: Tensor, scores: Scores, count: int) -> NDArray[np.float32]:
        """Return S x h x w: what each place of the grid adds to (or takes from) each of `count` scores.

        image: float32 1 x 3 x H x W, as the network reads it.
        """
        found: list[Tensor] = []
        with torch.no_grad(), self._hooked(lambda *given: found.append(given[2])):
            self.backbone(image)

        def behind(activations: Tensor) -> Tensor:
            with self._hooked(lambda *_: activations):
                return scores(self.backbone(image))

        parts = []
        for start in range(0, count, CHUNK):
            targets = list(range(start, min(count, start + CHUNK)))
            copies = found[0].expand(len(targets), *found[0].shape[1:]).contiguous().requires_grad_()
            products = self._method(behind).attribute(copies, target=targets)
            parts.append(self._over_the_grid(products.detach()).float().cpu().numpy())
        return np.concatenate(parts)

    @contextmanager
    def _hooked(self, hook: Callable[..., Any]) -> Iterator[None]:
        """Let a function see, or replace, what the layer hands on."""
        handle = self.layer.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()

    def _over_the_grid(self, products: Tensor) -> Tensor:
        """Return S x h x w from N x C x h x w, N x h x w x C or N x tokens x C."""
        if products.ndim == 4:
            return products.sum(1 if products.shape[1] == self.channels else 3)
        if products.ndim == 3:
            places = products.sum(2)[:, getattr(self.backbone, "num_prefix_tokens", 0) :]
            size = getattr(getattr(self.backbone, "patch_embed", None), "grid_size", None)
            height, width = size or (isqrt(places.shape[1]), isqrt(places.shape[1]))
            if height * width == places.shape[1]:
                return places.unflatten(1, (height, width))
        raise ConfigError(
            f"heat maps need features in a grid; {type(self.backbone).__name__} hands on "
            f"{tuple(products.shape)}: predict without --overlays"
        )


def _input_times_gradient() -> Any:
    """Return captum's method; raise ConfigError where captum is not installed."""
    try:
        from captum.attr import InputXGradient
    except ImportError as problem:
        raise ConfigError(
            f"heat maps need captum, which cannot be imported ({problem}); pip install 'nmevision[heatmaps]'"
        ) from None
    return InputXGradient
