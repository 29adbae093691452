"""How a map is cut: chunks of whole cores, shards of whole chunks, regions of whole shards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import shapely
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from lscube.cube import Chunks
from lscube.grid import Lattice, bounds_of, resolution_of
from lscube.settings import PredictSettings


@dataclass(frozen=True)
class Region:
    """A rectangle of whole shards: what is done, or done again, as a whole."""

    row: int
    """Place among the map's regions, from the north."""
    column: int
    """Place among the map's regions, from the west."""
    rows: slice
    """Its rows of the map, in pixels."""
    columns: slice
    """Its columns of the map, in pixels."""

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.row}-{self.column}"

    @property
    def key(self) -> tuple[int, int]:
        """Row and column among the regions."""
        return self.row, self.column


@dataclass(frozen=True)
class Layout:
    """A map's grid and its cuts, which begin at its north-west corner."""

    cores: GeoBox
    """The map's pixels: whole cores of the lattice."""
    lattice: Lattice
    """The windows."""
    chunk: int
    """Edge of a chunk of the store in pixels: whole cores."""
    shard: int
    """Edge of a shard, and of a Dask chunk, in pixels: whole chunks."""
    region: int
    """Edge of a region in pixels: whole shards."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of regions: rows, columns."""
        rows, columns = self.cores.shape
        return -(-rows // self.region), -(-columns // self.region)

    def regions(self) -> Iterator[Region]:
        """All regions, from the north-west."""
        height, width = self.cores.shape
        for row in range(self.shape[0]):
            for column in range(self.shape[1]):
                top, left = row * self.region, column * self.region
                yield Region(
                    row,
                    column,
                    slice(top, min(top + self.region, height)),
                    slice(left, min(left + self.region, width)),
                )

    def touching(self, area: BaseGeometry) -> list[Region]:
        """Regions that share a point with an area in the grid's CRS."""
        shapely.prepare(area)
        return [
            region
            for region in self.regions()
            if area.intersects(shapely.box(*bounds_of(self.grid(region))))
        ]

    def grid(self, region: Region) -> GeoBox:
        """A region's pixels."""
        return self.cores[region.rows, region.columns]

    def chunks(self, region: Region) -> Chunks:
        """A region's Dask chunks along y and x: its shards."""
        rows, columns = self.grid(region).shape
        return _cut(rows, self.shard), _cut(columns, self.shard)

    def padded_chunks(self, region: Region) -> Chunks:
        """The same with the margin in the outermost chunks."""
        rows, columns = self.chunks(region)
        return self.lattice.padded_chunks(rows), self.lattice.padded_chunks(columns)

    def square_kilometres(self, region: Region) -> float:
        """A region's area."""
        rows, columns = self.grid(region).shape
        return rows * columns * resolution_of(self.cores) ** 2 / 1e6


def make_layout(grid: GeoBox, settings: PredictSettings) -> Layout:
    """Cover a grid with whole cores, and cut it as the settings say."""
    lattice = Lattice(*settings.window)
    shard = settings.chunk * settings.shard_chunks
    return Layout(
        cores=lattice.cover(grid),
        lattice=lattice,
        chunk=settings.chunk,
        shard=shard,
        region=shard * settings.region_shards,
    )


def _cut(pixels: int, size: int) -> tuple[int, ...]:
    whole, rest = divmod(pixels, size)
    return (size,) * whole + ((rest,) if rest else ())
