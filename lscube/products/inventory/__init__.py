"""Inventories: the landslides of a map as polygons with attributes."""

from lscube.products.inventory.attributes import ATTRIBUTES as ATTRIBUTES
from lscube.products.inventory.attributes import SHAKING as SHAKING
from lscube.products.inventory.blocks import MapContext as MapContext
from lscube.products.inventory.making import Inventory as Inventory
from lscube.products.inventory.making import InventorySummary as InventorySummary
from lscube.products.inventory.making import make_inventory as make_inventory
from lscube.products.inventory.making import write_inventory as write_inventory
from lscube.products.inventory.making import write_summary as write_summary
from lscube.products.inventory.shaking import Shaking as Shaking
from lscube.products.inventory.shaking import read_shaking as read_shaking
from lscube.products.inventory.writing import FORMATS as FORMATS
from lscube.products.inventory.writing import LAYER as LAYER

__all__ = [
    "ATTRIBUTES",
    "FORMATS",
    "LAYER",
    "SHAKING",
    "Inventory",
    "InventorySummary",
    "MapContext",
    "Shaking",
    "make_inventory",
    "read_shaking",
    "write_inventory",
    "write_summary",
]
