"""The lattice of prediction windows."""

from __future__ import annotations

from dataclasses import dataclass

from odc.geo.geobox import GeoBox

from lscube.grid.zone import bounds_of, epsg_of, resolution_of, snapped_grid


@dataclass(frozen=True)
class Lattice:
    """The lattice of prediction windows, anchored at the UTM zone's (0, 0).

    Windows of `core + 2 * margin` pixels overlap so that their cores tile the plane. Because
    cores begin where the coordinate is a multiple of core x resolution, two areas that overlap
    agree on the pixels they share.
    """

    core: int = 112
    """Edge of the kept part of a window in pixels."""
    margin: int = 56
    """Context on each side of the core in pixels."""

    @property
    def window(self) -> int:
        """Edge of a window in pixels."""
        return self.core + 2 * self.margin

    def cover(self, grid: GeoBox) -> GeoBox:
        """Smallest grid of whole cores over `grid`."""
        step = self.core * resolution_of(grid)
        return snapped_grid(bounds_of(grid), step, epsg_of(grid), self.core)

    def padded(self, cores: GeoBox) -> GeoBox:
        """The grid of whole cores with the margin around it."""
        return cores.pad(self.margin, self.margin)

    def padded_chunks(self, chunks: tuple[int, ...]) -> tuple[int, ...]:
        """The same chunks with the margin added to the outermost ones."""
        if len(chunks) == 1:
            return (chunks[0] + 2 * self.margin,)
        return (chunks[0] + self.margin, *chunks[1:-1], chunks[-1] + self.margin)
