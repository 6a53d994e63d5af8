"""The shape of one piece of skin in micrometres: surface, horn, rete ridges, clefts; known before any pixel."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.chance import Chance, Values
from nmevision.phantom.section_scales import Look

Stretch = tuple[float, float]


@dataclass(frozen=True)
class Relief:
    """Lines along the skin, one value per micrometre of u; every length in micrometres.

    base: height v of the face between horn and living epidermis, before clefts lift it.
    ridge_u, ridge_d: the dermo-epidermal junction as a curve: u, and depth below the base.
    horn, nucleated: thickness of the whole horn, and of its lower part that holds nuclei (0 where none).
    granular: thickness of the granular layer, 0 where it is lost. plug: horn that fills a follicle's mouth.
    cleft, roof: width of a cleft in the epidermis and depth of its upper face. pustule: whether it is one.
    split: width of the split below the epidermis. dead: 1 where the whole epidermis is dead, else 0.
    band: thickness of a band of lymphocytes below the epidermis. cut: depth v at which the biopsy ends.
    """

    u: Values
    base: Values
    ridge_u: Values
    ridge_d: Values
    horn: Values
    nucleated: Values
    granular: Values
    plug: Values
    cleft: Values
    roof: Values
    pustule: Values
    split: Values
    dead: Values
    band: Values
    cut: Values

    def blend(self, other: Relief, share: Values) -> Relief:
        """Return this relief where `share` is 0, the other where it is 1, and a passage between."""
        return Relief(
            **{
                f.name: (1 - share) * getattr(self, f.name) + share * getattr(other, f.name)
                for f in fields(self)
            }
        )


def draw_relief(look: Look, chance: Chance, reach: Stretch, seen: Stretch, width: float) -> Relief:
    """Return the lines of skin that looks as `look` says.

    Args:
        chance: decides every line; the same for skin that is to be blended.
        reach: least and greatest u to be drawn.
        seen: the stretch of u whose surface is in the picture: shares are exact over it.
        width: length of that stretch that a follicle's place is a share of.
    """
    u = np.arange(np.floor(reach[0]), np.ceil(reach[1]) + 1)
    visible = (u >= seen[0]) & (u <= seen[1])
    base = 4.0 * chance.curve("surface", u, 45) + 1.6 * chance.curve("surface fine", u, 11)
    base -= 5.0 * np.clip(chance.curve("furrow", u, 24) - 1.1, 0, None)
    plug = _plug(look, u, width)
    ridge_u, ridge_d = _ridges(look, chance, u, visible)
    lost = covered(chance, "keratinisation", u, visible, look["granular_layer_loss"], 30, own=0.5)
    granular = _granular(look, chance, u, visible) * ~lost
    horn, nucleated = _horn(look, chance, u, visible)
    dead = covered(chance, "dead", u, visible, look["full_thickness_necrosis_subepidermal_split"], 45)
    cleft, roof, pustule = _clefts(look, chance, u, visible)
    band = covered(chance, "band", u, visible, look["band_like_infiltrate"], 45)
    wide = np.clip(6 + 9 * chance.curve("split", u, 25), 0, 30)
    return Relief(
        u=u,
        base=base + plug,
        ridge_u=ridge_u,
        ridge_d=ridge_d,
        horn=horn,
        nucleated=nucleated,
        granular=granular * ~dead,
        plug=plug,
        cleft=cleft * ~dead,
        roof=roof,
        pustule=(pustule & ~dead).astype(float),
        split=wide * dead * _feather(dead),
        dead=dead.astype(float),
        band=band * (42 + 9 * chance.curve("band thickness", u, 20)),
        cut=np.full(len(u), 1e6),
    )


def covered(
    chance: Chance, name: str, u: Values, visible: NDArray, share: float, grain: float, own: float = 0.0
) -> NDArray[np.bool_]:
    """Return which part of the line a finding covers: the given share of what is visible, in patches.

    own: how far the patches differ from those of other findings of the same name, 0 or more.
    """
    score = chance.curve(name, u, grain)
    if own:
        score = score + own * chance.curve(f"{name} {own}", u, grain)
    if share <= 0:
        return np.zeros(len(u), bool)
    return np.asarray(score >= np.quantile(score[visible], 1 - share))


def _feather(on: NDArray[np.bool_], rise: int = 14) -> Values:
    """Return 0 to 1 within the parts that are on: rising over `rise` micrometres from their ends."""
    return np.clip(2 * _smoothed(on.astype(float), rise) - 1, 0, 1)


def _smoothed(line: Values, reach: int) -> Values:
    """Return a line averaged over `reach` micrometres to either side."""
    kernel = np.hanning(2 * reach + 1)
    return np.convolve(np.pad(line, reach, mode="edge"), kernel / kernel.sum(), mode="valid")


def _plug(look: Look, u: Values, width: float) -> Values:
    """Return how deep the mouth of a follicle dips, filled with horn."""
    if look.follicle is None:
        return np.zeros(len(u))
    mouth = look["follicular_plug_perifollicular_parakeratosis"]
    off = np.abs(u - look.follicle * width) / (mouth / 2)
    return 0.9 * mouth * np.cos(np.clip(off, 0, 1) * np.pi / 2) ** 1.5


def _ridges(look: Look, chance: Chance, u: Values, visible: NDArray) -> tuple[Values, Values]:
    """Return the dermo-epidermal junction as u and depth; its mean depth where visible is as asked for."""
    spacing, wild = look.spacing, look.wild
    number = np.arange(np.floor(u[0] / spacing) - 3, np.ceil(u[-1] / spacing) + 4).astype(int)
    jitter = np.clip(chance.normal("ridge place", number), -1.3, 1.3)
    middles = spacing * (number + chance.uniform("ridge start", 0)[0] + (0.03 + 0.3 * wild) * jitter)
    lengths = np.clip(1 + (0.06 + 0.36 * wild) * chance.normal("ridge length", number), 0.2, 1.8)
    widths = np.clip(0.66 + 0.10 * wild * chance.normal("ridge width", number), 0.45, 0.8)
    borders = (middles[1:] + middles[:-1]) / 2
    k = np.searchsorted(borders, u)
    side = np.where(u > middles[k], 1, -1)
    half = np.abs(np.where(side > 0, borders[np.minimum(k, len(borders) - 1)], borders[k - 1]) - middles[k])
    off = np.clip(np.abs(u - middles[k]) / half, 0, 1)
    shape = (1 - np.clip(off / (widths[k] + 0.14), 0, 1) ** 3.4) ** 1.15 * lengths[k]
    lean = 0.10 * spacing * chance.curve("ridge lean", u, 160) * shape**2
    moved = u + side * off * half * look.club * np.clip(shape, 0, 1) + wild * lean
    plate, mean = look["suprapapillary_thinning"], look["psoriasiform_acanthosis"]
    du = np.gradient(moved)
    area = max(float((shape * du)[visible].sum() / max(du[visible].sum(), 1)), 0.02)
    length = max(mean - plate, 0) / area
    rough = min(1.0, plate / 30)
    depth = (
        plate
        + length * shape
        + rough * (1.1 * chance.curve("junction", u, 4) + 0.8 * chance.curve("j", u, 9))
    )
    return moved, np.clip(depth, 4, None)


def _granular(look: Look, chance: Chance, u: Values, visible: NDArray) -> Values:
    """Return the thickness of the granular layer as if nowhere lost, its mean as asked for."""
    uneven = np.exp(0.15 * chance.curve("granular", u, 18))
    return look["hypergranulosis"] * uneven / uneven[visible].mean()


def _horn(look: Look, chance: Chance, u: Values, visible: NDArray) -> tuple[Values, Values]:
    """Return the thickness of the horn and of its nucleated lower part."""
    retained = covered(chance, "keratinisation", u, visible, look["parakeratosis"], 30)
    thick = (13 + 16 * look["parakeratosis"]) * np.exp(0.25 * chance.curve("parakeratosis", u, 25))
    if not look.horn:
        return np.zeros(len(u)), np.zeros(len(u))
    nucleated = np.where(retained, thick, 0) * (0.35 + 0.65 * _feather(retained, 14))
    plain = np.exp(0.22 * chance.curve("horn", u, 28))
    plain = (
        _smoothed(np.where(retained, 0.45, 1.0), 12) * plain
    )  # flakes of older horn lie on the nucleated horn
    plain *= look["hyperkeratosis_ortho"] / plain[visible].mean()
    return nucleated + plain, nucleated


def _clefts(look: Look, chance: Chance, u: Values, visible: NDArray) -> tuple[Values, Values, NDArray]:
    """Return width and depth of the clefts in the upper epidermis, and which of them are pustules."""
    mean = look["psoriasiform_acanthosis"]
    plate = look["suprapapillary_thinning"]
    on = covered(chance, "cleft", u, visible, look["cleft_or_vesicle_upper"], 28)
    wide = np.clip(13 + 8 * chance.curve("cleft width", u, 30), 3, 40)
    roof = np.full(len(u), min(0.3 * plate, 11.0)) + np.clip(2 * chance.curve("roof", u, 14), -3, 3)
    many = look["neutrophils_corneum_or_subcorneal_pustule"] / 1000  # per micrometre
    pustules = covered(chance, "pustule", u, visible, float(np.clip(4 * many - 0.4, 0, 0.4)), 26) & ~on
    cleft = wide * on * _feather(on) + np.clip(18 + 0.02 * mean, 0, 26) * pustules * _feather(pustules, 20)
    cleft = np.where(on, np.maximum(cleft, 2.5), cleft)
    return cleft, np.where(pustules, 1.5, roof), pustules
