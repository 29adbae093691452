import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from lscube.errors import AreaError
from lscube.grid import Lattice, bounds_of, make_grid, read_area, snapped_grid, utm_epsg

metres = st.floats(100_000, 900_000, allow_nan=False)
sizes = st.floats(1, 30_000, allow_nan=False)


@pytest.mark.parametrize(
    ("bounds", "epsg"),
    [((141.9, 42.7, 142.0, 42.8), 32654), ((-72.5, -43.5, -72.4, -43.4), 32718)],
)
def test_zone_of_the_centre(bounds, epsg):
    assert utm_epsg(box(*bounds)) == epsg


def test_grid_is_snapped_and_covers_the_area():
    grid = make_grid(box(141.9, 42.7, 142.0, 42.8), 10.0)
    west, south, east, north = bounds_of(grid)
    assert all(value % 10 == 0 for value in (west, south, east, north))
    # 0.1 degrees are about 8.2 km in longitude there, and 11.1 km in latitude.
    assert east - west == pytest.approx(8200, abs=200)
    assert north - south == pytest.approx(11100, abs=300)


@given(metres, metres, sizes, sizes, st.sampled_from([6.0, 10.0, 30.0]), st.integers(1, 300))
def test_lattice_covers_with_whole_cores_anchored_at_zero(west, south, width, height, step, core):
    grid = snapped_grid((west, south, west + width, south + height), step, 32654)
    lattice = Lattice(core, 5)
    cores = lattice.cover(grid)
    inner, outer = bounds_of(grid), bounds_of(cores)
    assert outer[0] <= inner[0] + 1e-6
    assert outer[1] <= inner[1] + 1e-6
    assert outer[2] >= inner[2] - 1e-6
    assert outer[3] >= inner[3] - 1e-6
    assert all(size % core == 0 for size in cores.shape)
    for value in outer:
        cores_from_zero = value / (core * step)
        assert math.isclose(cores_from_zero, round(cores_from_zero), abs_tol=1e-6)
    # Covering a second time changes nothing.
    assert lattice.cover(cores) == cores


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 20), st.integers(0, 9))
def test_chunks_are_whole_cores_and_carry_the_margin_outside(count, per_chunk, core, margin):
    lattice = Lattice(core, margin)
    chunks = lattice.chunks(count * core, per_chunk)
    assert sum(chunks) == count * core
    assert all(size % core == 0 and size <= per_chunk * core for size in chunks)
    padded = lattice.padded_chunks(chunks)
    assert sum(padded) == count * core + 2 * margin
    assert padded[1:-1] == chunks[1:-1]


def test_area_from_a_file(tmp_path):
    path = tmp_path / "area.geojson"
    polygon = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    feature = {"type": "Feature", "properties": {}, "geometry": polygon}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert read_area(path).area == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "found no file"),
        ("not json at all", "cannot be read"),
        ('{"type": "FeatureCollection", "features": []}', "no geometry"),
        ('{"type": "Point", "coordinates": [1, 2]}', "has none"),
        ('{"type": "Polygon", "coordinates": [[[0,86],[1,86],[1,87],[0,86]]]}', "UTM covers"),
    ],
)
def test_bad_area_files(tmp_path, content, words):
    path = tmp_path / "area.geojson"
    if content is not None:
        path.write_text(content)
    with pytest.raises(AreaError, match=words):
        read_area(path)


@pytest.mark.parametrize("bounds", [(10, 5, 9, 6), (0, 0, 0, 1), (0, 0, 1, 91)])
def test_bad_bounds(bounds):
    with pytest.raises(AreaError, match="west, south, east, north"):
        read_area(bounds)
