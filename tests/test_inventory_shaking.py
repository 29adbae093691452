"""Shaking from a ShakeMap's contours, written as its program writes them."""

import json

import numpy as np
import pytest

from lscube.errors import InventoryError
from lscube.products.inventory import make_inventory, read_shaking
from tests.memory_maps import drawn, map_of

PLACE = (141.93, 42.69)


def circle(radius, centre=PLACE, start=0.0, stop=2 * np.pi):
    """A contour around a place, degrees; as wide as high on the ground."""
    turn = np.linspace(start, stop, 73)
    x = centre[0] + radius * np.cos(turn) / np.cos(np.radians(centre[1]))
    x = (x + 180) % 360 - 180
    return np.stack([x, centre[1] + radius * np.sin(turn)], axis=1).tolist()


def write(path, contours, units):
    """GeoJSON as of `cont_pga.json`: a MultiLineString for each value."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "MultiLineString", "coordinates": lines},
            "properties": {"value": value, "units": units, "color": "#ff0000", "weight": 4},
        }
        for value, lines in contours.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture
def pga(tmp_path):
    rings = {10.0: [circle(1.0)], 20.0: [circle(0.6)], 50.0: [circle(0.2)]}
    return write(tmp_path / "cont_pga.json", rings, "pctg")


@pytest.fixture
def mmi(tmp_path):
    rings = {5.5: [circle(1.0)], 6.0: [circle(0.6)], 6.5: [circle(0.2)]}
    return write(tmp_path / "cont_mmi.json", rings, "mmi")


def north_of(place, *degrees):
    return np.full(len(degrees), place[0]), place[1] + np.array(degrees)


def test_between_on_within_and_outside_the_contours(pga, mmi):
    shaking, intensity = read_shaking(pga), read_shaking(mmi)
    assert shaking.quantity == "pga_percent_g"
    assert intensity.quantity == "mmi"
    there = north_of(PLACE, 0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.5)
    np.testing.assert_allclose(
        shaking.at(*there), [50, 50, 50, np.sqrt(1000), 20, np.sqrt(200), np.nan], rtol=0.01
    )
    np.testing.assert_allclose(
        intensity.at(*there), [6.5, 6.5, 6.5, 6.25, 6, 5.75, np.nan], rtol=0.002
    )


def test_contours_may_end_at_the_maps_border(tmp_path):
    """Half of each ring is beyond it."""
    halves = {v: [circle(r, stop=np.pi)] for v, r in ((5.5, 1.0), (6.5, 0.2))}
    shaking = read_shaking(write(tmp_path / "cont_mmi.json", halves, "mmi"))
    np.testing.assert_allclose(shaking.at(*north_of(PLACE, 0.6, -0.6)), [6.0, np.nan], atol=0.01)


def test_across_the_antimeridian(tmp_path):
    centre = (179.9, -17.0)
    rings = {v: [circle(r, centre)] for v, r in ((5.5, 1.0), (6.5, 0.2))}
    shaking = read_shaking(write(tmp_path / "cont_mmi.json", rings, "mmi"))
    east = np.array([179.9, (179.9 + 0.6 / np.cos(np.radians(17)) + 180) % 360 - 180])
    assert east[1] < -179
    np.testing.assert_allclose(shaking.at(east, np.full(2, -17.0)), [6.5, 6.0], atol=0.01)


def test_columns_of_an_inventory(tmp_path):
    """A landslide some 10 m from the contours' middle."""
    place = (141.0, 42.7671)
    rings = {v: [circle(r, place)] for v, r in ((10.0, 1.0), (50.0, 0.2))}
    pga = read_shaking(write(tmp_path / "cont_pga.json", rings, "pctg"))
    halves = {v / 10: lines for v, lines in rings.items()}
    mmi = read_shaking(write(tmp_path / "cont_mmi.json", halves, "mmi"))
    frame = make_inventory(map_of(drawn(".#. ... #..")), shaking=[pga, mmi]).frame
    assert list(frame.columns)[-3:] == ["pga_percent_g", "mmi", "geometry"]
    assert frame["pga_percent_g"].tolist() == [50, 50]
    assert frame["mmi"].tolist() == [5, 5]
    none = make_inventory(map_of(drawn("...")), shaking=[pga]).frame
    assert list(none.columns)[-2:] == ["pga_percent_g", "geometry"]


def test_what_is_no_contour_is_refused(tmp_path, pga):
    with pytest.raises(InventoryError, match="No such file"):
        read_shaking(tmp_path / "none.json")
    bad = tmp_path / "bad.json"
    for text in (
        *("<html>", "[1]", '{"type": "Point"}'),
        *('{"features": [null]}', '{"features": {"a": 1}}', '{"features": "lines"}'),
    ):
        bad.write_text(text)
        with pytest.raises(InventoryError, match="GeoJSON FeatureCollection"):
            read_shaking(bad)
    bad.write_text('{"features": []}')
    with pytest.raises(InventoryError, match="found none"):
        read_shaking(bad)
    with pytest.raises(InventoryError, match="units 'cms'"):
        read_shaking(write(bad, {1.0: [circle(1)]}, "cms"))
    spectral = pga.rename(tmp_path / "cont_psa0p3.json")
    with pytest.raises(InventoryError, match="peak ground acceleration or intensity"):
        read_shaking(spectral)
    with pytest.raises(InventoryError, match="value above 0"):
        read_shaking(write(bad, {-1.0: [circle(1)]}, "mmi"))
    point = {"type": "Point", "coordinates": [1, 2]}
    feature = {"geometry": point, "properties": {"value": 5, "units": "mmi"}}
    bad.write_text(json.dumps({"features": [feature]}))
    with pytest.raises(InventoryError, match="Expected lines"):
        read_shaking(bad)
    feature = {"geometry": None, "properties": ["mmi"]}
    bad.write_text(json.dumps({"features": [feature]}))
    with pytest.raises(InventoryError, match="units ''"):
        read_shaking(bad)


@pytest.mark.parametrize("slope", [0.0, 0.3, 7.1])
def test_contours_on_a_straight_line_are_refused_when_they_are_read(tmp_path, slope):
    line = [[PLACE[0] + x, PLACE[1] + slope * x] for x in (0.0, 0.1, 0.25, 0.3)]
    with pytest.raises(InventoryError, match="points on a line"):
        read_shaking(write(tmp_path / "cont_mmi.json", {5.0: [line]}, "mmi"))


def test_a_quantity_given_twice_is_refused_before_the_map_is_read(pga, tmp_path):
    unreadable = map_of(drawn("###")).drop_vars("probability")
    twice = [read_shaking(pga)] * 2
    with pytest.raises(InventoryError, match="pga_percent_g 2 times"):
        make_inventory(unreadable, shaking=twice)
