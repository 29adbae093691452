import numpy as np
import pytest
import rasterio

from lscube import terrain


def plane(east: float, north: float, shape=(20, 30), resolution=10.0) -> np.ndarray:
    """A plane that rises by `east` and `north` metres per metre."""
    y, x = np.mgrid[: shape[0], : shape[1]] * resolution
    return (1000 + east * x - north * y).astype("float32")


@pytest.mark.parametrize(("east", "north"), [(0, 0), (1, 0), (0, -0.5), (0.3, 0.4)])
def test_tilted_plane_has_one_slope_and_gradient(east, north):
    surface = plane(east, north)
    degrees = np.degrees(np.arctan(np.hypot(east, north)))
    np.testing.assert_allclose(terrain.slope(surface, 10.0), degrees, atol=1e-3)
    got_east, got_north = terrain.gradient(surface, 10.0)
    np.testing.assert_allclose(got_east, east, atol=1e-4)
    np.testing.assert_allclose(got_north, north, atol=1e-4)


@pytest.mark.parametrize(
    ("east", "north", "cosine"),
    [
        (0, 0, np.sin(np.pi / 4)),
        # 45 degrees, facing the light in the north-west: lit head-on.
        (np.sqrt(0.5), -np.sqrt(0.5), 1.0),
        # Facing away from it: grazing.
        (-np.sqrt(0.5), np.sqrt(0.5), 0.0),
    ],
)
def test_tilted_plane_has_one_hillshade(east, north, cosine):
    shade = terrain.hillshade(plane(east, north), 10.0)
    np.testing.assert_allclose(shade, 1 + 254 * cosine, atol=0.05)


def test_cell_size_matters():
    surface = plane(1, 0, resolution=10.0)
    assert terrain.slope(surface, 30.0).max() < 19
    assert terrain.slope(surface, 10.0).min() > 44.9


def test_leading_dimensions_and_single_rows():
    stack = np.stack([plane(1, 0), plane(0, 0)])
    np.testing.assert_allclose(terrain.slope(stack, 10.0)[0], 45, atol=1e-3)
    assert terrain.slope(plane(1, 0, shape=(1, 5)), 10.0) == pytest.approx(45, abs=1e-3)


def read(path):
    with rasterio.open(path) as source:
        return source.read(1, masked=True), source.res[0]


def test_jiuzhaigou_as_its_authors_derived_it(shared_data):
    folder = shared_data / "jiuzhaigou-terrain"
    dsm, resolution = read(folder / "dsm.tif")
    slope, _ = read(folder / "slope_deg.tif")
    shade, _ = read(folder / "hillshade.tif")
    elevation = dsm.astype("float32").filled(np.nan)
    inner = np.s_[1:-1, 1:-1]
    ours, theirs = terrain.slope(elevation, resolution)[inner], slope[inner]
    valid = ~np.ma.getmaskarray(theirs) & np.isfinite(ours)
    assert valid.mean() > 0.9
    # Their pixels are 29.997 by 30.002 m, ours are square.
    np.testing.assert_allclose(ours[valid], theirs.data[valid], atol=5e-3)
    ours, theirs = terrain.hillshade(elevation, resolution)[inner], shade[inner]
    valid = (theirs.data > 0) & np.isfinite(ours)
    # They are bytes; a few pixels round the other way in single precision.
    assert np.mean(np.floor(ours[valid] + 0.5) == theirs.data[valid]) > 0.99
