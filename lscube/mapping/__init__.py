"""From scenes and a model to a map of landslide probability."""

from lscube.mapping.opening import open_map as open_map
from lscube.mapping.opening import trained_on as trained_on
from lscube.mapping.places import Timing as Timing
from lscube.mapping.region import map_region as map_region
from lscube.mapping.running import Progress as Progress
from lscube.mapping.running import Running as Running
from lscube.mapping.windows import probability as probability

__all__ = ["Progress", "Running", "Timing", "map_region", "open_map", "probability", "trained_on"]
