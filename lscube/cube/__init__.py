"""What the pixels say: items become a lazy Dataset of reflectance, elevation and reasons."""

from lscube.cube.assemble import open_cube as open_cube
from lscube.cube.store import read_cube as read_cube
from lscube.cube.store import write_cube as write_cube

__all__ = ["open_cube", "read_cube", "write_cube"]
