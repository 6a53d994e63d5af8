"""Public image sets: one short module each, and the table of them.

Nothing here downloads. `index_source(name, folder)` makes a manifest of a copy on disk, with the set's own
labels; `index_class_folders`, `index_csv` and `index_slides` do so for images of one's own.
"""

from nmevision.data.sources import (
    cobra,
    ddi,
    derm7pt,
    dermnet,
    dermpathnet,
    fitzpatrick17k,
    fitzpatrick17k_c,
    ham10000,
    ham_dermoscopy,
    heidata_skin,
    histai_skin,
    isic,
    oral_histology,
    pad_ufes_20,
    passion,
    queensland_nmsc,
    scin,
    sd198,
    skincon,
    spider_skin,
)
from nmevision.data.sources.class_folders import index_class_folders
from nmevision.data.sources.index import index_source
from nmevision.data.sources.listing import describe_sources
from nmevision.data.sources.slide_folders import index_slides
from nmevision.data.sources.source import SOURCES, Source
from nmevision.data.sources.tables import index_csv

__all__ = [
    "SOURCES",
    "Source",
    "cobra",
    "ddi",
    "derm7pt",
    "dermnet",
    "dermpathnet",
    "describe_sources",
    "fitzpatrick17k",
    "fitzpatrick17k_c",
    "ham10000",
    "ham_dermoscopy",
    "heidata_skin",
    "histai_skin",
    "index_class_folders",
    "index_csv",
    "index_slides",
    "index_source",
    "isic",
    "oral_histology",
    "pad_ufes_20",
    "passion",
    "queensland_nmsc",
    "scin",
    "sd198",
    "skincon",
    "spider_skin",
]
