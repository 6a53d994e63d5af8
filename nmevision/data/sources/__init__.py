"""Public image sets: one short module each, and the table of them.

Nothing here downloads. `index_source(name, folder)` makes a manifest of a copy on disk, with the set's own
labels; `index_class_folders(folder)` does so for any folder sorted by class.
"""

from nmevision.data.sources import fitzpatrick17k, ham10000, ham_dermoscopy, oral_histology
from nmevision.data.sources.class_folders import index_class_folders
from nmevision.data.sources.index import index_source
from nmevision.data.sources.source import SOURCES, Source

__all__ = [
    "SOURCES",
    "Source",
    "fitzpatrick17k",
    "ham10000",
    "ham_dermoscopy",
    "index_class_folders",
    "index_source",
    "oral_histology",
]
