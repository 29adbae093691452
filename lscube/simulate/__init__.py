"""A deterministic event for demos and tests: scenes, surface model and inventory.

The ground is an eroded fractal surface with a flood plain (`relief`, `drainage`); on it lies land
cover with texture and season (`cover`, `spectra`); steep slopes fail (`landslides`); satellites
see it under sun, cloud and haze (`sky`, `scene`); and it is written as COGs with STAC items
(`write`). `event` chains these.
"""

from lscube.simulate.event import SimulatedEvent, simulate_event
from lscube.simulate.settings import Landscape, Overpass, SimulationSettings, Trigger

__all__ = [
    "Landscape",
    "Overpass",
    "SimulatedEvent",
    "SimulationSettings",
    "Trigger",
    "simulate_event",
]
