"""What is said, and sampled, of the scenes of a cube: for its attributes, and to compare them."""

from __future__ import annotations

import pystac

from lscube.catalog import Band, Scenes, find_elevation, tile_of
from lscube.cube.decoding import decide
from lscube.cube.look import Looks, place_of
from lscube.cube.plausible import Sample, reflectance_at
from lscube.cube.reading import Source
from lscube.cube.side import Scene
from lscube.cube.stated import Kind
from lscube.cube.surface import Surface


def note_of(
    item: pystac.Item, scene: Scene, bands: list[Band], classes: Band | None, looks: Looks
) -> str:
    """What was decided for an item, and why."""
    first = scene.radiometry[0]
    note = f"{item.id}: reflectance offset {first.offset:g} ({first.reason})"
    others = {
        (r.scale, r.offset): band.key for band, r in zip(bands, scene.radiometry, strict=True)
    }
    others.pop((first.scale, first.offset))
    for (scale, offset), key in others.items():
        note += f"; {key} scale {scale:g}, offset {offset:g}"
    numbers = _numbers(item, bands[0], scene.bands[0], "reflectance", looks)
    note += f"; scale {first.scale:g}{numbers}"
    if scene.classification is None or classes is None:
        note += (
            "; no scene classification, clouds from the cloud mask"
            if scene.mask_bands
            else "; no scene classification, all taken as clear"
        )
    else:
        note += _numbers(item, classes, scene.classification, "classes", looks, "; classes")
    return note if scene.line is None else f"{note}; {scene.line.reason}"


def _numbers(
    item: pystac.Item, band: Band, source: Source, kind: Kind, looks: Looks, words: str = ""
) -> str:
    """Type and no data of a file that was looked at, and who says so."""
    seen = looks.get(place_of(item, band))
    if seen is None:
        return ""
    validity = decide(kind, source.stated, seen.header, source.known).validity
    return f"{words}, {seen.header.dtype}, {validity.reason}"


def sample_of(item: pystac.Item, scene: Scene, bands: list[Band], looks: Looks) -> Sample | None:
    """A scene's sampled reflectance, if all its bands were looked at."""
    found = []
    for band, radiometry in zip(bands, scene.radiometry, strict=True):
        seen = looks.get(place_of(item, band))
        if seen is None or seen.numbers is None:
            return None
        found.append(reflectance_at(seen.numbers, radiometry))
    decided = scene.bands[0].stated.own_offset is not None
    return Sample(item.id, tile_of(item), decided, tuple(found))


def surface_notes(scenes: Scenes, surface: Surface, looks: Looks) -> tuple[str, ...]:
    """What was decided of the surface model's tiles that were looked at, and why."""
    notes = []
    for index, source in surface.tiles:
        item = scenes.dsm[index]
        seen = looks.get(place_of(item, Band(find_elevation(item, scenes.dsm_asset))))
        if seen is not None:
            found = decide("elevation", source.stated, seen.header, None)
            notes.append(
                f"{item.id}: {found.scale:g} m per number ({found.reason}); {found.validity.header.dtype}, "
                f"{found.validity.reason}"
            )
    return tuple(notes)
