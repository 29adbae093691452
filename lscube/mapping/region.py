"""Mapping an area into a Zarr store."""

from __future__ import annotations

from pathlib import Path

import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from lscube.catalog import Scenes
from lscube.cube import Reading, open_cube
from lscube.grid import Lattice
from lscube.learn import LoadedModel, check_cube
from lscube.mapping.store import is_finished, make_manifest, open_store, write_store
from lscube.mapping.windows import network_input, probability
from lscube.settings import CubeSettings, PredictSettings


def map_region(
    scenes: Scenes,
    grid: GeoBox,
    model: LoadedModel,
    store: Path,
    cube: CubeSettings = CubeSettings(),
    settings: PredictSettings = PredictSettings(),
    reading: Reading = Reading(),
) -> xr.Dataset:
    """Write the landslide probability of an area to a new Zarr store.

    The margin of the outermost windows is read from the scenes themselves. The store covers the
    grid with whole cores of the lattice; pixels that are not observed or outside the area are fill
    value, never "no landslide". An interrupted run leaves `<store>.partial`, never the final name.

    Parameters
    ----------
    scenes, grid
        What to map, and where.
    model
        From `lscube.load_model` or `lscube.fit`.
    store
        Folder to make. If it is there already and finished with the same scenes, model, grid and
        settings, it is opened and nothing is computed.
    cube, settings
        Bands and masks; the window lattice.
    reading
        How files are opened, and what was measured before.

    Returns
    -------
    xr.Dataset
        The map, lazily: `probability` (y, x) 0..1, `observed`, `area`, `post_date`, and
        `unreadable` (see `lscube.open_cube`).

    Raises
    ------
    ModelError
        The model looks at a band that is missing, or expects another resolution.
    StoreError
        The store belongs to another run.
    """
    check_cube(model.card, cube.bands, abs(grid.affine.a))
    lattice = Lattice(settings.core, settings.margin)
    cores = lattice.cover(grid)
    manifest = make_manifest(scenes, cores, model.card, cube, settings)
    if not is_finished(store, manifest):
        plan = (scenes, cores, model, lattice, cube, settings, reading)
        write_store(_lazy_map(*plan), store, manifest)
    return open_map(store)


def open_map(store: Path) -> xr.Dataset:
    """Open a finished map, lazily.

    Raises
    ------
    StoreError
        There is no finished map.
    """
    return open_store(store)


def _lazy_map(
    scenes: Scenes,
    cores: GeoBox,
    model: LoadedModel,
    lattice: Lattice,
    cube: CubeSettings,
    settings: PredictSettings,
    reading: Reading,
) -> xr.Dataset:
    chunks = tuple(lattice.chunks(pixels, settings.chunk_cores) for pixels in cores.shape)
    padded_chunks = tuple(lattice.padded_chunks(own) for own in chunks)
    outer = (padded_chunks[0], padded_chunks[1])
    padded = open_cube(scenes, lattice.padded(cores), cube, outer, reading)
    margin = lattice.margin
    inner = {
        axis: slice(margin, margin + pixels)
        for axis, pixels in zip(("y", "x"), cores.shape, strict=True)
    }
    kept = padded[["observed", "area", "post_date", "unreadable"]].isel(inner).drop_vars(("y", "x"))
    values = probability(network_input(padded, model.card), model.predict, lattice)
    return xr.Dataset(
        {
            "probability": (("y", "x"), values, _ATTRIBUTES),
            **{name: variable.variable for name, variable in kept.data_vars.items()},
        },
        coords={"side": padded["side"], **xr_coords(cores)},
        attrs=padded.attrs,
    )


_ATTRIBUTES = {
    "long_name": "landslide probability",
    "units": "1",
    "grid_mapping": "spatial_ref",
}
