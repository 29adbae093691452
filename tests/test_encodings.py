"""The same scene in any encoding gives the same cube, or is refused with a sentence; never a third thing."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lscube import terrain
from lscube.cube import open_cube, prepare_reading
from lscube.cube.masks import Reason
from lscube.errors import SceneError
from lscube.settings import CubeSettings
from tests.encodings import (
    BANDS,
    CLASSES,
    FEET,
    GRIDS,
    GROUND,
    REFLECTANCE,
    SIZE,
    SURVEY_FEET,
    Encoding,
    cube_of,
    ground,
    reflectance,
    scenes_in,
    write_pair,
)
from tests.scenes import EPSG, NORTH, WEST

NAN = float("nan")
PLAIN = {"properties": {}, "collection": "planet"}
"""Another sensor's."""
NEW = {"properties": {"s2:processing_baseline": "05.09"}}

OPTICAL = {
    # Sentinel-2's digital numbers, by every type that holds them.
    "uint16": REFLECTANCE,
    "int16": Encoding("int16"),
    "int16, -9999": Encoding("int16", nodata=-9999),
    "int32": Encoding("int32"),
    "int32, -9999 by item": Encoding("int32", nodata=-9999, validity="item"),
    "float32 DN": Encoding("float32"),
    "float32 DN, NaN": Encoding("float32", nodata=NAN),
    "float64 DN": Encoding("float64"),
    # Reflectance itself, and percent.
    "float32 0..1": Encoding("float32", 1.0, nodata=NAN),
    "float32 0..1, -9999": Encoding("float32", 1.0, nodata=-9999),
    "float32 0..1, nobody tells": Encoding("float32", 1.0, nodata=NAN, validity=""),
    "float64 0..1": Encoding("float64", 1.0, nodata=NAN),
    "float32 percent, scale by file": Encoding("float32", 0.01, nodata=NAN, told="file"),
    "float32 percent, scale by item": Encoding("float32", 0.01, nodata=NAN, told="item"),
    "float32 percent, unit by item": Encoding("float32", 0.01, nodata=NAN, item={"unit": "%"}),
    "float32 percent, unit by file": Encoding(
        "float32", 0.01, nodata=NAN, file={"unit": "percent"}
    ),
    "uint16 hundredths of percent": Encoding("uint16", 1e-4, item={"scale": 0.01, "unit": "%"}),
    # Eight bits.
    "uint8 true colour": Encoding("uint8", 0.3 / 255),
    "uint8 percent by both": Encoding("uint8", 0.01, told="both"),
    "uint8 scale by file": Encoding("uint8", 0.004, told="file"),
    "uint8 scale by item": Encoding("uint8", 0.004, told="item"),
    # What ESA adds, and other offsets.
    "baseline 05.09": Encoding(offset=-0.1, **NEW),
    "baseline 05.09, both": Encoding(offset=-0.1, told="both", **NEW),
    "baseline 05.09, v2": Encoding(offset=-0.1, told="v2", **NEW),
    "baseline 05.09, file": Encoding(offset=-0.1, told="file", **NEW),
    "baseline 05.09, float32 0..1": Encoding("float32", 1.0, nodata=NAN, **NEW),
    "collection 1 without baseline": Encoding(offset=-0.1, properties={}),
    "another sensor's offset": Encoding("uint16", 2.75e-5, -0.2, told="item", **PLAIN),
    "another sensor's offset by file": Encoding("uint16", 2.75e-5, -0.2, told="file", **PLAIN),
    "another sensor's int16": Encoding("int16", nodata=-9999, **PLAIN),
    # Who tells.
    "scale by both": Encoding(told="both"),
    "scale by STAC 1.1": Encoding(told="v2"),
    "GDAL's defaults by item": Encoding(item={"scale": 1.0, "offset": 0.0}),
    "GDAL's defaults by item, float": Encoding(
        "float32", 1.0, nodata=NAN, validity="both", item={"scale": 1.0, "offset": 0.0}
    ),
    "no data by item": Encoding(validity="item"),
    "no data by both": Encoding(validity="both"),
    "no data by nobody": Encoding(validity=""),
    "no data that the type has not": Encoding(item={"nodata": -9999}),
    "no data is not a number, in whole numbers": Encoding(item={"nodata": "nan"}),
    "no data on the band of STAC 1.1": Encoding(nodata=60000, validity="", asset={"nodata": 60000}),
    "a picture by its role": Encoding(asset={"roles": ["data", "visual"]}),
    "eight bits by item": Encoding(item={"data_type": "uint8"}),
    "zeros, the file says NaN": Encoding("float32", 1.0, file={"nodata": NAN}),
    "zeros, the file says -9999": Encoding("int16", file={"nodata": -9999}),
    "mask": Encoding(nodata=None, validity="mask"),
    "alpha": Encoding(nodata=None, validity="alpha"),
    "uint8 alpha": Encoding("uint8", 0.3 / 255, nodata=None, validity="alpha"),
    "mask of floats": Encoding("float32", 1.0, nodata=None, validity="mask"),
    # Files.
    "COG": Encoding(driver="COG"),
    "COG float": Encoding("float32", 1.0, nodata=NAN, driver="COG"),
    "JPEG 2000": Encoding(driver="JP2OpenJPEG", validity="item"),
    "JPEG 2000, nobody tells no data": Encoding(driver="JP2OpenJPEG", validity=""),
    "south-up": Encoding(south_up=True),
    "south-up float": Encoding("float32", 1.0, nodata=NAN, south_up=True),
    "rows padded": Encoding(padded=7),
    "rows padded, south-up": Encoding(padded=5, south_up=True),
    "three bands in one": Encoding(several=True),
    "three bands in one COG, int16": Encoding("int16", nodata=-9999, several=True, driver="COG"),
    "three bands in one JPEG 2000": Encoding(several=True, driver="JP2OpenJPEG", validity="item"),
    "three bands and alpha": Encoding(several=True, nodata=None, validity="alpha"),
    "three bands of floats": Encoding("float64", 1.0, nodata=NAN, several=True, told="both"),
}

SURFACE = {
    "float32": GROUND,
    "float64": replace(GROUND, dtype="float64"),
    "NaN": replace(GROUND, nodata=NAN),
    "int16": replace(GROUND, dtype="int16"),
    "int32": replace(GROUND, dtype="int32"),
    "uint16": replace(GROUND, dtype="uint16", nodata=65535),
    "-32768, nobody tells": replace(GROUND, dtype="int16", nodata=-32768, validity=""),
    "no data by item": replace(GROUND, validity="item"),
    "no data by both": replace(GROUND, validity="both"),
    "mask": replace(GROUND, nodata=None, validity="mask"),
    "decimetres, scale by file": replace(GROUND, dtype="int16", scale=0.1, told="file"),
    "decimetres, scale by item": replace(GROUND, dtype="int16", scale=0.1, told="item"),
    "decimetres, scale by both": replace(GROUND, dtype="int16", scale=0.1, told="both"),
    "decimetres, scale by STAC 1.1": replace(GROUND, dtype="int16", scale=0.1, told="v2"),
    "decimetres, unit by item": replace(GROUND, dtype="int16", scale=0.1, item={"unit": "dm"}),
    "centimetres, unit by file": replace(GROUND, dtype="int32", scale=0.01, file={"unit": "cm"}),
    "metres, unit by both": replace(GROUND, item={"unit": "metre"}, file={"unit": "m"}),
    "feet, unit by file": replace(GROUND, scale=FEET, file={"unit": "ft"}),
    "feet, unit by item": replace(GROUND, scale=FEET, item={"unit": "foot"}),
    "survey feet": replace(GROUND, scale=SURVEY_FEET, file={"unit": "US survey foot"}),
    "tenths of feet": replace(
        GROUND, dtype="int32", scale=FEET / 10, item={"unit": "ft", "scale": 0.1}
    ),
    "an offset": replace(GROUND, dtype="uint16", nodata=0, offset=-500.0, scale=0.1, told="both"),
    "south-up": replace(GROUND, south_up=True),
    "rows padded": replace(GROUND, padded=9),
    "COG": replace(GROUND, driver="COG"),
}

CLASSIFICATIONS = {
    "uint8": CLASSES,
    "int16": replace(CLASSES, dtype="int16", nodata=-1),
    "float32": replace(CLASSES, dtype="float32", nodata=NAN),
    "255 by file": replace(CLASSES, nodata=255),
    "255 by item": replace(CLASSES, nodata=255, validity="item"),
    "mask": replace(CLASSES, nodata=None, validity="mask"),
    "south-up": replace(CLASSES, south_up=True),
    "GDAL's defaults by item": replace(CLASSES, item={"scale": 1.0, "offset": 0.0}),
    "a scale that was copied from the bands": replace(
        CLASSES, item={"scale": 1e-4, "offset": -0.1}
    ),
    "classes by name": replace(
        CLASSES,
        item={
            "classification:classes": [
                {"value": 0, "name": "no_data"},
                {"value": 3, "name": "cloud_shadows"},
                {"value": 5, "name": "not_vegetated"},
                {"value": 6, "name": "water"},
                {"value": 9, "name": "cloud_high_probability"},
                {"value": 10, "name": "thin_cirrus"},
                {"value": 11, "description": "Snow"},
            ]
        },
    ),
}


def same(cube, wanted, optical=REFLECTANCE, surface=GROUND):
    """Whether two cubes are the same within what the encodings round."""
    rounding = (0 if "float" in optical.dtype else optical.scale / 2) + 0.5e-4 + 1e-6
    for side in ("pre", "post"):
        np.testing.assert_array_equal(np.isnan(cube[side]), np.isnan(wanted[side]))
        assert float(np.nanmax(abs(cube[side] - wanted[side]))) <= rounding
    for name in ("observed", "area", "pre_date", "post_date", "unreadable"):
        np.testing.assert_array_equal(cube[name], wanted[name])
    step = 0 if "float" in surface.dtype else surface.scale / 2
    assert float(np.nanmax(abs(cube["elevation"] - wanted["elevation"]))) <= step + 2e-3
    np.testing.assert_array_equal(np.isnan(cube["elevation"]), np.isnan(wanted["elevation"]))


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    """The cube of each route, from the plainest encoding."""
    items = write_pair(tmp_path_factory.mktemp("plain"))
    return {route: cube_of(items, route) for route in GRIDS}


def test_the_plainest_encoding_is_the_scene(wanted):
    cube = wanted["native"]
    for side, name in (("pre", "before"), ("post", "after")):
        planes = reflectance()[name]
        gaps = np.isnan(planes["red"]) | (cube["observed"].values != 0)
        for band in BANDS:
            found = cube[side].sel(band=band).values
            np.testing.assert_array_equal(np.isnan(found), gaps)
            assert np.nanmax(abs(found - planes[band])) <= 0.5e-4 + 1e-6
    heights = ground()
    np.testing.assert_array_equal(np.isnan(cube["elevation"]), np.isnan(heights))
    np.testing.assert_allclose(cube["elevation"], heights, atol=1e-3)
    observed = cube["observed"].values
    assert (observed[20:26, 60:68] == Reason.CLOUD * 0x101).all()
    assert (observed[:, 80:] & Reason.NO_DATA).all()
    assert (observed[90:] & Reason.NO_DATA).all()
    assert (observed[:10, :10] == Reason.NO_DATA * 0x101).all()
    clear = np.ones((SIZE, SIZE), bool)
    clear[20:26, 60:68] = clear[:, 80:] = clear[90:] = clear[:10, :10] = False
    assert (observed[clear] == 0).all()


@pytest.mark.parametrize("name", OPTICAL)
def test_reflectance_in_any_encoding(tmp_path, wanted, name):
    encoding = OPTICAL[name]
    cube = cube_of(write_pair(tmp_path, encoding))
    same(cube, wanted["native"], encoding)
    for note in (*cube.attrs["pre_radiometry"], *cube.attrs["post_radiometry"]):
        assert encoding.dtype in note


@pytest.mark.parametrize("name", SURFACE)
def test_a_surface_model_in_any_encoding(tmp_path, wanted, name):
    encoding = SURFACE[name]
    cube = cube_of(write_pair(tmp_path, surface=encoding))
    same(cube, wanted["native"], surface=encoding)
    (note,) = cube.attrs["dsm_elevation"]
    assert f"ground: {encoding.scale:g} m per number (" in note
    assert np.nanmedian(terrain.slope(cube["elevation"].values, 10.0)) < 20


@pytest.mark.parametrize("name", CLASSIFICATIONS)
def test_a_scene_classification_in_any_encoding(tmp_path, wanted, name):
    same(cube_of(write_pair(tmp_path, classification=CLASSIFICATIONS[name])), wanted["native"])


ROUTES = ("coarse", "finer", "other zone")
ROUTED = (
    *("int16, -9999", "float32 0..1", "mask", "three bands in one", "alpha"),
    *("south-up", "rows padded", "baseline 05.09", "JPEG 2000", "uint8 scale by file"),
)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", ROUTED)
def test_any_way_onto_the_grid_gives_the_same_pixels(tmp_path, wanted, name, route):
    """Also at the edge of what was seen, where numbers could be mixed with no data."""
    surface = SURFACE["decimetres, scale by item" if name == "mask" else "float32"]
    encoding = OPTICAL[name]
    same(cube_of(write_pair(tmp_path, encoding, surface), route), wanted[route], encoding, surface)


@pytest.mark.parametrize("route", GRIDS)
def test_nothing_dark_comes_from_no_data(wanted, route):
    """A stack of bands, warped, once gave 0.0001 at the edge of a swath."""
    cube = wanted[route]
    darkest = min(
        float(np.nanmin(plane)) for sides in reflectance().values() for plane in sides.values()
    )
    for side in ("pre", "post"):
        assert float(np.nanmin(cube[side])) > 0.8 * darkest
    known = cube["elevation"].values[np.isfinite(cube["elevation"].values)]
    assert ground()[np.isfinite(ground())].min() - 5 < known.min()


@pytest.mark.parametrize(
    "name", ["int16, -9999", "float32 0..1", "float32 DN, NaN", "mask", "uint16"]
)
def test_without_a_look_headers_decide(tmp_path, wanted, name):
    """Opened straight away: what only pixels can tell is refused when they are read."""
    items = write_pair(tmp_path, OPTICAL[name])
    if name.startswith("float32 DN"):
        with pytest.raises(SceneError, match=r"Expected reflectance .* or cube\.scale"):
            cube_of(items, look=False)
    else:
        same(cube_of(items, look=False), wanted["native"], OPTICAL[name])


REFUSED = {
    "scales at odds": (Encoding(told="file", item={"scale": 1e-3}), "but the file's scale 0.0001"),
    "scale wrong by item": (Encoding(item={"scale": 1e-2}), "become"),
    "floats said to be digital numbers": (
        Encoding("float32", 1.0, nodata=NAN, item={"scale": 1e-4}),
        "become",
    ),
    "digital numbers said to be percent": (Encoding(item={"unit": "%"}), "become"),
    "percent that nobody tells": (Encoding("float32", 0.01, nodata=NAN), "become"),
    "no data at odds": (
        Encoding("int16", nodata=-9999, item={"nodata": 600}),
        "Expected item and file to agree on what is no data",
    ),
    "filling that nobody tells": (
        Encoding("int16", nodata=-9999, validity=""),
        "darkest hundredth",
    ),
    "a unit of radiance": (Encoding(item={"unit": "W/m2/sr/um"}), "unit of asset red"),
    "offset wrong by item": (
        Encoding(item={"scale": 1e-4, "offset": -0.2}, **PLAIN),
        "which means reflectance",
    ),
    "zeros that nobody calls no data": (Encoding(file={"nodata": 65535}, **PLAIN), "found just 0"),
    "complex numbers": (Encoding("complex64"), "found the type complex64"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_with_both_claims(tmp_path, name):
    encoding, words = REFUSED[name]
    items = write_pair(tmp_path, encoding)
    with pytest.raises(SceneError) as refused:
        cube_of(items)
    message = str(refused.value)
    assert words in message
    assert message.startswith("Expected ")
    assert message.endswith(".")


REFUSED_SURFACES = {
    "void that nobody tells": (
        replace(GROUND, validity=""),
        r"found -9999 m .* set cube\.elevation_nodata",
    ),
    "decimetres that nobody tells": (
        replace(GROUND, dtype="int16", scale=0.02),
        r"found 1[.\d]+e?.* m|slopes of \d\d degrees",
    ),
    "units at odds": (
        replace(GROUND, item={"unit": "m"}, file={"unit": "ft"}),
        "got unit|got raster",
    ),
    "scales at odds": (
        replace(GROUND, dtype="int16", scale=0.1, told="item", file={"scale": 0.01}),
        r"scale 0\.1 but the file's scale 0\.01",
    ),
    "one thing said twice": (
        replace(GROUND, dtype="int16", scale=0.1, told="item", item={"unit": "dm"}),
        "one thing said twice",
    ),
    "a negative scale": (replace(GROUND, file={"scale": -1.0}), "usable scale in the file"),
    "a unit that is none of length": (replace(GROUND, file={"unit": "hPa"}), "'hPa'"),
    "no data at odds": (
        replace(GROUND, dtype="int16", item={"nodata": 300}),
        "agree on what is no data",
    ),
}


@pytest.mark.parametrize("name", REFUSED_SURFACES)
def test_what_is_no_ground_is_refused(tmp_path, name):
    encoding, words = REFUSED_SURFACES[name]
    with pytest.raises(SceneError, match=words):
        cube_of(write_pair(tmp_path, surface=encoding))


@pytest.mark.parametrize(
    "encoding",
    [
        replace(CLASSES, nodata=200, validity=""),
        replace(
            CLASSES,
            item={
                "classification:classes": [
                    {"value": 4, "name": "cloud_shadow"},
                    {"value": 9, "name": "cloud_high"},
                ]
            },
        ),
        replace(CLASSES, dtype="float32", nodata=NAN, scale=1.7),
    ],
)
def test_what_are_no_classes_is_refused(tmp_path, encoding):
    with pytest.raises(SceneError, match="Expected Sentinel-2's scene classification"):
        cube_of(write_pair(tmp_path, classification=encoding))


def test_settings_decide_where_files_and_items_are_wrong(tmp_path, wanted):
    optical = Encoding("float32", 0.01, nodata=-5, validity="", item={"scale": 3.0})
    surface = replace(GROUND, dtype="int16", scale=0.1, validity="", item={"unit": "mm"})
    items = write_pair(tmp_path, optical, surface)
    decided = CubeSettings(
        dilation=0.0,
        terrain_shadow=False,
        scale={"before": 0.01, "after": 0.01},
        nodata=-5,
        elevation_scale={"ground": 0.1},
        elevation_nodata=-9999,
    )
    cube = cube_of(items, settings=decided)
    same(cube, wanted["native"], optical, surface)
    assert "cube.elevation_scale decides" in cube.attrs["dsm_elevation"][0]
    assert "cube.nodata decides" in cube.attrs["pre_radiometry"][0]


def test_another_no_data_makes_no_ground_of_zeros(tmp_path, wanted):
    """0 is no data in Sentinel-2's digital numbers whatever a setting adds."""
    own = CubeSettings(dilation=0.0, terrain_shadow=False, nodata=65535)
    same(cube_of(write_pair(tmp_path), settings=own), wanted["native"])
    own = CubeSettings(nodata=-9999)
    with pytest.raises(SceneError, match="a number that uint16 can hold"):
        cube_of(tmp_path / "items.json", settings=own)


@pytest.mark.parametrize("lost", ["green", "blue"])
def test_a_band_that_was_not_looked_at_shares_the_others_verdict(tmp_path, wanted, lost):
    """Its item says that 1000 is added, the other bands' dark pixels that it is not."""
    items = write_pair(tmp_path, Encoding(**NEW))
    scenes, settings = scenes_in(items), CubeSettings(dilation=0.0, terrain_shadow=False)
    reading = prepare_reading(scenes, GRIDS["native"], settings)
    seen = {place: look for place, look in reading.seen.items() if f"/{lost}#" not in place}
    partly = replace(reading, seen=seen)
    cube = open_cube(scenes, GRIDS["native"], settings, reading=partly).compute()
    same(cube, wanted["native"])


def test_a_forgotten_offset_on_one_side_is_no_earthquake(tmp_path):
    """The scene after has 1000 added, and both items say that it has not."""
    items = write_pair(tmp_path)
    for path in (tmp_path / "after").glob("[rgb]*.tif"):
        with rasterio.open(path, "r+") as file:
            numbers = file.read(1)
            file.write(np.where(numbers == 0, 0, numbers + 1000).astype(np.uint16), 1)
    with pytest.raises(SceneError, match=r"after is 0\.1\d\d brighter than before in all bands"):
        cube_of(items)
    decided = CubeSettings(
        dilation=0.0, terrain_shadow=False, offset={"before": 0.0, "after": -0.1}
    )
    same(cube_of(items, settings=decided), cube_of(write_pair(tmp_path / "plain")))


MASKS = {
    "uint8": ("uint8", None, 0),
    "255 is no data": ("uint8", 255, 255),
    "int16": ("int16", -1, -1),
    "float32": ("float32", NAN, NAN),
    "int32 of large numbers": ("int32", None, 0),
}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_in_any_encoding(tmp_path, wanted, name):
    dtype, nodata, outside = MASKS[name]
    items = write_pair(tmp_path)
    pixels = np.full((SIZE, SIZE), outside, dtype)
    pixels[60:70, 20:30] = 65536 if "large" in name else 1
    path = tmp_path / "mask.tif"
    with rasterio.open(
        path, "w", driver="GTiff", dtype=dtype, count=1, height=SIZE, width=SIZE, nodata=nodata,
        crs=f"EPSG:{EPSG}", transform=Affine(10, 0, WEST, 0, -10, NORTH),
    ) as file:  # fmt: skip
        file.write(pixels, 1)
    own = CubeSettings(dilation=0.0, terrain_shadow=False, mask=path)
    observed = cube_of(items, settings=own)["observed"].values
    masked = np.zeros((SIZE, SIZE), bool)
    masked[60:70, 20:30] = True
    assert (observed[masked] == Reason.MASKED_BY_USER * 0x101).all()
    np.testing.assert_array_equal(observed[~masked], wanted["native"]["observed"].values[~masked])


ANYTHING = st.builds(
    Encoding,
    dtype=st.sampled_from(["uint8", "uint16", "int16", "int32", "float32", "float64"]),
    scale=st.sampled_from([1.0, 0.01, 0.004, 1e-4]),
    nodata=st.sampled_from([0, -9999, 255, 65535, NAN, None]),
    validity=st.sampled_from(["file", "item", "both", "mask", "alpha", ""]),
    told=st.sampled_from(["", "file", "item", "both", "v2"]),
    item=st.sampled_from([{}, {"scale": 1.0, "offset": 0.0}, {"nodata": 0}, {"scale": 1e-3}]),
    file=st.sampled_from([{}, {"scale": 1e-4}]),
    driver=st.sampled_from(["GTiff", "COG"]),
    several=st.booleans(),
    south_up=st.booleans(),
    padded=st.sampled_from([0, 3]),
    properties=st.sampled_from([{}, {"s2:processing_baseline": "02.08"}]),
)


def possible(encoding: Encoding) -> bool:
    """Whether the scene can be written so at all."""
    whole = "float" not in encoding.dtype
    if whole and (encoding.scale >= 0.01 or (encoding.dtype == "uint8" and encoding.scale < 1e-3)):
        return False
    if encoding.dtype == "uint8" and not encoding.told:
        return False  # would be true colour
    masked = encoding.validity in ("mask", "alpha")
    if masked != (encoding.nodata is None) or (encoding.validity == "alpha" and not whole):
        return False
    if masked:
        return encoding.driver == "GTiff"
    assert encoding.nodata is not None
    if encoding.nodata == 255 and encoding.scale == 1e-4:
        return False  # pixels of the scene have that number
    untold = not encoding.validity or (encoding.validity == "item" and "nodata" in encoding.item)
    if untold and encoding.nodata in (255, 65535):
        return False  # looks like snow, or saturated
    if not whole:
        return True
    limits = np.iinfo(encoding.dtype)
    return not np.isnan(encoding.nodata) and limits.min <= encoding.nodata <= limits.max


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(ANYTHING.filter(possible))
def test_the_same_scene_or_a_sentence(tmp_path_factory, wanted, encoding):
    """What only one side tells and is plausible cannot be known to be wrong: those are left out."""
    item_alone = encoding.item.get("scale") == 1e-3 and encoding.told in ("", "item")
    file_alone = bool(encoding.file) and encoding.told in ("", "file") and encoding.scale != 1e-4
    alone = item_alone != file_alone
    items = write_pair(tmp_path_factory.mktemp("any"), encoding)
    try:
        cube = cube_of(items)
    except SceneError:
        return  # with a sentence: the tests above
    if not alone:
        same(cube, wanted["native"], encoding)
