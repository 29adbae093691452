"""From scenes and a model to a map of landslide probability."""

from lscube.mapping.design import Design as Design
from lscube.mapping.design import design_map as design_map
from lscube.mapping.opening import crop_to_area as crop_to_area
from lscube.mapping.opening import open_map as open_map
from lscube.mapping.opening import trained_on as trained_on
from lscube.mapping.places import Timing as Timing
from lscube.mapping.planning import Calibration as Calibration
from lscube.mapping.planning import Machines as Machines
from lscube.mapping.planning import MapPlan as MapPlan
from lscube.mapping.planning import plan_map as plan_map
from lscube.mapping.region import map_region as map_region
from lscube.mapping.running import Progress as Progress
from lscube.mapping.running import Running as Running
from lscube.mapping.windows import probability as probability

__all__ = [
    "Calibration",
    "Design",
    "Machines",
    "MapPlan",
    "Progress",
    "Running",
    "Timing",
    "crop_to_area",
    "design_map",
    "map_region",
    "open_map",
    "plan_map",
    "probability",
    "trained_on",
]
