"""Where events come from: the US Geological Survey, GDACS, and the user's own list."""

from lscube.scan.triggers.gdacs import RSS, Gdacs
from lscube.scan.triggers.own import OwnList
from lscube.scan.triggers.same import same_event
from lscube.scan.triggers.usgs import FDSN, Usgs

__all__ = ["FDSN", "RSS", "Gdacs", "OwnList", "Usgs", "same_event"]
