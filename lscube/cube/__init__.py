"""What the pixels say: items become a lazy Dataset of reflectance, elevation and reasons."""

from lscube.cube.anchors import REFERENCE as REFERENCE
from lscube.cube.anchors import Anchors as Anchors
from lscube.cube.assemble import SIDES as SIDES
from lscube.cube.assemble import open_cube as open_cube
from lscube.cube.assemble import open_part as open_part
from lscube.cube.assemble import unreadable_items as unreadable_items
from lscube.cube.cloud_mask import CloudMask as CloudMask
from lscube.cube.cloud_mask import omni_cloud_mask as omni_cloud_mask
from lscube.cube.pair import PairQuality as PairQuality
from lscube.cube.pair import describe_pair as describe_pair
from lscube.cube.pair import measure_pair as measure_pair
from lscube.cube.plan import Reading as Reading
from lscube.cube.planned import CubePlan as CubePlan
from lscube.cube.planned import plan_cube as plan_cube
from lscube.cube.preparing import bring_to_reference as bring_to_reference
from lscube.cube.preparing import prepare_reading as prepare_reading
from lscube.cube.reading import Access as Access
from lscube.cube.reading import Chunks as Chunks
from lscube.cube.sizes import bytes_to_read as bytes_to_read
from lscube.cube.sizes import passes_read as passes_read
from lscube.cube.store import read_cube as read_cube
from lscube.cube.store import write_cube as write_cube

__all__ = [
    "REFERENCE",
    "SIDES",
    "Access",
    "Anchors",
    "Chunks",
    "CloudMask",
    "CubePlan",
    "PairQuality",
    "Reading",
    "bring_to_reference",
    "bytes_to_read",
    "describe_pair",
    "measure_pair",
    "omni_cloud_mask",
    "open_cube",
    "open_part",
    "passes_read",
    "plan_cube",
    "prepare_reading",
    "read_cube",
    "unreadable_items",
    "write_cube",
]
