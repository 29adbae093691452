"""A run as a STAC collection: what a catalogue takes in."""

from lscube.products.stac.model_item import SavedModel as SavedModel
from lscube.products.stac.publication import Publication as Publication
from lscube.products.stac.publishing import publish_map as publish_map
from lscube.products.stac.run_item import Input as Input

__all__ = ["Input", "Publication", "SavedModel", "publish_map"]
