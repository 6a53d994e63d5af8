"""The colour of skin from what is in it: melanin in the epidermis over blood in the dermis.

Light crosses the epidermis, is scattered back by the dermis and crosses the epidermis again. Blood lies
under the melanin, so that the same inflammation is bright red in light skin and a darker, duller,
violaceous brown in dark skin. The spectrum is integrated once over CIE daylight and kept as a table.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.noise import Map

Colours = NDArray[np.float32]
Spectrum = NDArray[np.float64]

ITA_RANGE = (-50.0, 70.0)
"""Individual typology angles drawn, in degrees; ITA = arctan((L* - 50) / b*), darkest to lightest."""
ITA_LIMITS = (55.0, 41.0, 28.0, 10.0, -30.0)
"""Least ITA of very light, light, intermediate, tan and brown skin; below is dark. Chardon 1991,
doi:10.1111/j.1467-2494.1991.tb00561.x; Del Bino & Bernerd 2013, doi:10.1111/bjd.12529."""
RESTING_BLOOD = 0.5
"""Blood in healthy dermis, per cent of its volume (0.2 to 0.6 in Jacques 1998, "Skin Optics", OMLC News)."""

_NM = np.arange(400, 701, 10, dtype=np.float64)
_MOST_MELANIN, _MOST_BLOOD = 0.80, 16.0
_NODES = 192
_EPIDERMIS = 0.010
"""Thickness of the epidermis in cm (about 0.1 mm with the horn)."""
_INDEX = 1.4
"""Refractive index of skin."""
_HORN = 0.030
"""Share of light that the horn and the rough surface scatter back before it meets melanin. By eye, so that
dark skin is brown rather than orange."""
_UNEVEN = 0.5
"""Squared coefficient of variation of the melanin that single rays meet (caps, ridges, follicles). By eye."""
_VESSEL = 0.0010
"""Radius of a typical vessel in cm; blood inside it shades itself: van Veen 2002, doi:10.1364/OL.27.000246."""
# Molar extinction of oxygenated and reduced haemoglobin in 1000 / (M cm), 400 to 700 nm by 10: compiled by
# S. Prahl from Gratzer and Kollias, omlc.org/spectra/hemoglobin.
_HBO2 = (266.2, 466.8, 480.4, 246.1, 102.6, 62.8, 44.5, 33.2, 26.6, 23.7, 20.9, 20.0, 24.2, 40.0, 53.2, 43.0,
         32.6, 44.5, 50.1, 14.4, 3.2, 1.51, 0.942, 0.610, 0.442, 0.368, 0.320, 0.294, 0.278, 0.276, 0.290)  # fmt: skip
_HB = (223.3, 304.0, 407.6, 528.6, 413.3, 103.3, 23.4, 16.2, 14.6, 16.7, 20.9, 25.8, 31.6, 39.0, 46.6, 53.4,
       53.8, 45.1, 37.0, 28.3, 14.7, 9.44, 6.51, 5.15, 4.35, 3.75, 3.23, 2.80, 2.41, 2.05, 1.79)  # fmt: skip
# Relative power of CIE standard illuminant D65, 400 to 700 nm by 10 (ISO/CIE 11664-2).
_D65 = (82.75, 91.49, 93.43, 86.68, 104.86, 117.01, 117.81, 114.86, 115.92, 108.81, 109.35, 107.80, 104.79,
        107.69, 104.41, 104.05, 100.00, 96.33, 95.79, 88.69, 90.01, 89.60, 87.70, 83.29, 83.70, 80.03, 80.21,
        82.28, 78.28, 69.72, 71.61)  # fmt: skip
_TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
"""CIE XYZ (D65) to linear sRGB, IEC 61966-2-1."""


def fitzpatrick_of(ita: float) -> int:
    """Return the Fitzpatrick type, 1 to 6, that goes with a typology angle in degrees.

    A convention: the type is defined by how skin answers to the sun, the angle by its colour.

    >>> [fitzpatrick_of(ita) for ita in (70, 55, 35, 20, 0, -45)]
    [1, 2, 3, 4, 5, 6]
    """
    return 1 + sum(ita <= limit for limit in ITA_LIMITS)


def ita_range_of(fitzpatrick: int) -> tuple[float, float]:
    """Return the least and the greatest typology angle drawn for a Fitzpatrick type, 1 to 6.

    >>> ita_range_of(6)
    (-50.0, -30.0)
    """
    edges = (ITA_RANGE[1], *ITA_LIMITS, ITA_RANGE[0])
    return edges[fitzpatrick], edges[fitzpatrick - 1]


def reflectance(melanin: Map, blood: Map, oxygen: float = 0.75) -> Colours:
    """Return the light (linear sRGB, ... x 3, 0-1) that skin gives back, gloss apart.

    Args:
        melanin: share of the epidermis that is melanosomes, 0 to 0.8 (H x W).
        blood: share of the dermis that is blood, in per cent, 0 to 16 (H x W).
        oxygen: saturation of that blood, 0-1; low makes it dusky.
    """
    across = np.sqrt(melanin.clip(0, _MOST_MELANIN) / _MOST_MELANIN) * (_NODES - 1)
    down = np.sqrt(blood.clip(0, _MOST_BLOOD) / _MOST_BLOOD) * (_NODES - 1)
    table = _table(round(oxygen, 2))
    return np.asarray(cv2.remap(table, across, down, cv2.INTER_LINEAR), np.float32)


def melanin_of(ita: float, blood: float = RESTING_BLOOD) -> float:
    """Return the melanin (share of the epidermis) of skin with a typology angle in degrees.

    >>> round(melanin_of(60), 3) < 0.03 < 0.2 < melanin_of(-45)
    True
    """
    melanin = np.linspace(0.0, np.sqrt(_MOST_MELANIN), 400, dtype=np.float32)[None] ** 2
    angles = ita_of(reflectance(melanin, np.full_like(melanin, blood)))[0]
    return float(np.interp(-ita, -angles, melanin[0]))


def lab_of(linear: Colours) -> Colours:
    """Return CIELAB (D65, 2 degrees) of linear sRGB (H x W x 3, 0-1)."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(linear, np.float32), cv2.COLOR_LRGB2Lab), np.float32)


def ita_of(linear: Colours) -> Map:
    """Return the typology angle in degrees of linear sRGB (H x W x 3, 0-1)."""
    lab = lab_of(linear)
    return np.asarray(np.degrees(np.arctan2(lab[..., 0] - 50, lab[..., 2])), np.float32)


@cache
def _table(oxygen: float) -> Colours:
    """Return linear sRGB over (blood, melanin), both axes as square roots of their share of the most."""
    roots = np.linspace(0, 1, _NODES)
    melanin, blood = _MOST_MELANIN * roots**2, _MOST_BLOOD * roots**2 / 100
    epidermis = melanin[:, None] * _melanosome() + (1 - melanin[:, None]) * _bloodless()
    depth = 4 * epidermis * _EPIDERMIS  # in and out, and diffuse light takes twice the straight way
    through = (1 + _UNEVEN * depth) ** (-1 / _UNEVEN)  # the mean of exp(-depth) over a gamma distribution
    dermis = _given_back(blood[:, None] * _blood(oxygen) + (1 - blood[:, None]) * _bloodless())
    spectra = _HORN + (1 - _HORN) * dermis[:, None, :] * through[None]
    return np.asarray((spectra @ _observer().T @ _TO_RGB.T).clip(0.0005, 1), np.float32)


def _bloodless() -> Spectrum:
    """Return the absorption (1/cm) of skin without blood or melanin: Jacques 1998, OMLC News."""
    return np.asarray(0.244 + 85.3 * np.exp(-(_NM - 154) / 66.2))


def _melanosome() -> Spectrum:
    """Return the absorption (1/cm) inside a melanosome: Jacques 2013, doi:10.1088/0031-9155/58/11/R37."""
    return np.asarray(519 * (_NM / 500) ** -3.5)


def _blood(oxygen: float) -> Spectrum:
    """Return the absorption (1/cm) of blood in vessels, with 150 g/L of haemoglobin (64 500 g/mol)."""
    extinction = 1000 * (oxygen * np.array(_HBO2) + (1 - oxygen) * np.array(_HB))
    absorption = np.log(10) * extinction * 150 / 64_500
    return np.asarray((1 - np.exp(-2 * absorption * _VESSEL)) / (2 * _VESSEL))


def _given_back(absorption: Spectrum) -> Spectrum:
    """Return the share of light that a deep layer of dermis gives back.

    Diffusion theory: Farrell, Patterson & Wilson 1992, doi:10.1118/1.596777. Scattering of skin as in
    Jacques 2013, doi:10.1088/0031-9155/58/11/R37.
    """
    scattering = 46.0 * (_NM / 500) ** -1.421
    albedo = scattering / (scattering + absorption)
    inside = -1.440 / _INDEX**2 + 0.710 / _INDEX + 0.668 + 0.0636 * _INDEX  # share reflected at the surface
    steep = np.sqrt(3 * (1 - albedo))
    return np.asarray(
        albedo / 2 * (1 + np.exp(-4 / 3 * (1 + inside) / (1 - inside) * steep)) * np.exp(-steep)
    )


def _observer() -> Spectrum:
    """Return what each wavelength adds to X, Y and Z (3 x 31) under D65, white at Y = 1.

    The CIE 1931 observer as sums of Gaussian lobes: Wyman, Sloan & Shirley 2013, JCGT 2(2).
    """

    def lobe(height: float, centre: float, left: float, right: float) -> Spectrum:
        return np.asarray(height * np.exp(-0.5 * ((_NM - centre) / np.where(centre > _NM, left, right)) ** 2))

    x = lobe(1.056, 599.8, 37.9, 31.0) + lobe(0.362, 442.0, 16.0, 26.7) + lobe(-0.065, 501.1, 20.4, 26.2)
    y = lobe(0.821, 568.8, 46.9, 40.5) + lobe(0.286, 530.9, 16.3, 31.1)
    z = lobe(1.217, 437.0, 11.8, 36.0) + lobe(0.681, 459.0, 26.0, 13.8)
    power = np.array(_D65)
    return np.asarray(np.stack([x, y, z]) * power / (y * power).sum())
