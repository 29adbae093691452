"""Vector files: which of their layers, and what is done about geometries that are no polygons."""

from lscube.vectors.features import AREA, EXTENT, INVENTORY, MASK, Features, read_features
from lscube.vectors.rings import Geometries, polygons_in
from lscube.vectors.tables import Use, read_table

__all__ = [
    "AREA",
    "EXTENT",
    "INVENTORY",
    "MASK",
    "Features",
    "Geometries",
    "Use",
    "polygons_in",
    "read_features",
    "read_table",
]
