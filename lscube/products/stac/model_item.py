"""A saved model as an item with the MLM extension (machine learning model)."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import geopandas
import pystac
import shapely
from pystac.utils import datetime_to_str

from lscube.paths import StrPath
from lscube.products.portable import portable
from lscube.products.stac.extensions import CLASSIFICATION, FILE, MLM, VERSION, file_fields
from lscube.products.stac.run_item import box_of

_NETWORKS = {"model.keras": "keras.Model.save", "weights.npz": "numpy.savez"}
"""Files that a network may be in, and what wrote them."""
_FILES = {"card": "card.json", "history": "history.csv"}


@dataclass(frozen=True)
class SavedModel:
    """A saved model whose network was checked against its card."""

    folder: StrPath
    """Where it lies."""
    card: dict[str, Any]
    """Its card, as JSON has it."""

    @property
    def sha256(self) -> str:
        """Of the network's file."""
        return str(self.card["sha256"])

    @property
    def name(self) -> str:
        """Id of its item."""
        return f"landslide-unet-{self.sha256[:12]}"


def write_model(folder: Path, model: SavedModel, created: datetime) -> pystac.Item:
    """Copy a model into a folder, and make its item.

    Parameters
    ----------
    folder
        Of the item.
    model
        The model.
    created
        The time of an item whose card has none, UTC.
    """
    folder.mkdir()
    item = _make_item(model, created)
    for key, name in (*(("mlm:model", name) for name in _NETWORKS), *_FILES.items()):
        source, copy = Path(model.folder) / name, folder / name
        if key == "card":
            copy.write_text(_card_text(model), encoding="utf-8")
        elif source.is_file():
            shutil.copyfile(source, copy)
        else:
            continue
        asset = _asset(key, copy)
        if key == "mlm:model":
            asset.extra_fields["bands"] = _bands(model.card)
        item.add_asset(key, asset)
    return item


def _card_text(model: SavedModel) -> str:
    return json.dumps(portable(model.card), indent=2) + "\n"


def _asset(key: str, path: Path) -> pystac.Asset:
    titles = {
        "mlm:model": "The network",
        "card": "The model's card: what it expects and what it was made from",
        "history": "Losses and scores of each epoch",
    }
    kinds = {"card": "application/json", "history": "text/csv"}
    roles = ["mlm:model", "mlm:weights"] if key == "mlm:model" else ["metadata"]
    fields = file_fields(path)
    if key == "mlm:model":
        fields["mlm:artifact_type"] = _NETWORKS[path.name]
    kind = kinds.get(key, "application/zip; framework=keras")
    return pystac.Asset(
        f"./{path.name}", titles[key], media_type=kind, roles=roles, extra_fields=fields
    )


def _make_item(model: SavedModel, created: datetime) -> pystac.Item:
    card = model.card
    when = datetime.fromisoformat(card["created"]) if card.get("created") else created
    geometry = _trained_where(card)
    item = pystac.Item(
        model.name,
        None if geometry is None else shapely.geometry.mapping(geometry),
        None if geometry is None else list(box_of(geometry)),
        when,
        _properties(model),
        stac_extensions=[MLM, CLASSIFICATION, FILE, VERSION],
    )
    item.properties["created"] = datetime_to_str(when)
    return item


def _trained_where(card: dict[str, Any]) -> Any:
    """Boxes of the areas that the model was trained on, in degrees; None where they are not known."""
    boxes = [
        geopandas.GeoSeries([shapely.box(*event["bounds"])], crs=event["epsg"]).to_crs(4326).iloc[0]
        for event in card.get("events", ())
        if event.get("bounds") and event.get("epsg")
    ]
    return shapely.union_all(boxes) if boxes else None


def _properties(model: SavedModel) -> dict[str, Any]:
    card = model.card
    trained = [str(event["id"]) for event in card.get("events", ())]
    found = {
        "title": "Landslides in Sentinel-2 images before and after an event",
        "description": "Residual, deeply supervised U-Net after Prakash, Manconi & Loew (2021), "
        "doi:10.1038/s41598-021-89015-8; trained on "
        f"{', '.join(trained) or 'data that its card does not name'}.",
        "version": model.sha256[:12],
        "bands": _bands(card),
        "mlm:name": model.name,
        "mlm:architecture": "U-Net",
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": "Keras",
        "mlm:framework_version": _semantic(card.get("versions", {}).get("keras", "")),
        "mlm:accelerator": None,
        "mlm:pretrained": bool(card.get("parent")),
        "mlm:pretrained_source": card.get("parent") or None,
        "mlm:input": _inputs(card),
        "mlm:output": [_output()],
        "mlm:hyperparameters": _hyperparameters(card),
    }
    keep = ("mlm:accelerator", "mlm:pretrained_source")
    return {name: value for name, value in found.items() if value is not None or name in keep}


def _bands(card: dict[str, Any]) -> list[dict[str, str]]:
    """What the inputs' bands refer to. MLM wants them with the item, and STAC then with an asset as well."""
    return [{"name": name} for name in dict.fromkeys((*card["pre_bands"], *card["post_bands"]))]


def _semantic(version: str) -> str | None:
    """A version of three numbers; the extension takes no other."""
    return version if re.fullmatch(r"\d+\.\d+\.\d+", version) else None


def _inputs(card: dict[str, Any]) -> list[dict[str, Any]]:
    """What the network looks at: images in reflectance, elevation in metres; it scales them itself."""
    bands = {"pre": card["pre_bands"], "post": card["post_bands"], "topography": ["elevation"]}
    words = {
        "pre": "Surface reflectance before the event; NaN where not usable",
        "post": "Surface reflectance after the event; NaN where not usable",
        "topography": "Elevation in metres; the network computes slope and hillshade",
    }
    return [
        {
            "name": "elevation" if branch == "topography" else branch,
            "description": f"{words[branch]}; pixels of {card['resolution']:g} m",
            # A surface model has no band of the spectrum.
            "bands": [] if branch == "topography" else list(bands[branch]),
            "input": _tensor(len(bands[branch])),
            "value_scaling": None,
            "resize_type": None,
            "pre_processing_function": None,
        }
        for branch in card["branches"]
    ]


def _tensor(depth: int) -> dict[str, Any]:
    return {
        "shape": [-1, -1, -1, depth],
        "dim_order": ["batch", "height", "width", "bands"],
        "data_type": "float32",
    }


def _output() -> dict[str, Any]:
    return {
        "name": "probability",
        "description": "Probability that a pixel is landslide",
        "tasks": ["semantic-segmentation"],
        "result": {**_tensor(1), "dim_order": ["batch", "height", "width", "class"]},
        "classification:classes": [
            {"value": 0, "name": "background", "description": "No landslide of the event"},
            {"value": 1, "name": "landslide", "description": "Landslide of the event"},
        ],
        "post_processing_function": None,
    }


def _hyperparameters(card: dict[str, Any]) -> dict[str, Any]:
    names = ("window", "batch_size", "epochs", "learning_rate", "dropout", "l2")
    settings = card.get("settings") or {}
    found = {name: settings[name] for name in names if settings.get(name) is not None}
    return {
        **found,
        "width": card["width"],
        "threshold": card["threshold"],
        "resolution": card["resolution"],
    }
