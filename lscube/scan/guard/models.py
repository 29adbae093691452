"""Models: from configured places alone, with the hash that was agreed on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lscube.errors import ModelError
from lscube.learn import LoadedModel, load_model
from lscube.paths import StrPath
from lscube.settings.models import is_shipped, shipped_folder
from lscube.settings.scan_rules import AllowedModel


def check_model(folder: StrPath, models: Sequence[AllowedModel]) -> LoadedModel:
    """Open a model that a scan may use.

    The network's sha256 is compared with the setting's and with the card's, and again whenever the network
    is opened; a file that is exchanged later is refused then. For a model that comes with lscube its card's
    stands, unless the settings name that very folder.

    Parameters
    ----------
    folder
        Of the model, or the name of one that comes with lscube; symbolic links are followed.
    models
        `[[allow.models]]`.

    Raises
    ------
    ModelError
        It lies elsewhere, or its network is another one, or it is missing or damaged.
    """
    folder = Path(folder)
    place = shipped_folder(folder).resolve()
    here = [one for one in models if place.is_relative_to(one.folder.resolve())]
    if is_shipped(place):
        here = [one for one in here if one.folder.resolve() == place]
    elif not here:
        raise ModelError(
            f"Expected a model in one of the places of [[allow.models]], got {folder}; "
            "add its folder and sha256 there, or use a model that comes with lscube, by its name."
        )
    model = load_model(place)
    if here and model.card.sha256 not in {one.sha256 for one in here}:
        raise ModelError(
            f"Expected {folder} with the sha256 of [[allow.models]], got {model.card.sha256[:12]}...; "
            "copy the model again, or give the new sha256 if you trust it."
        )
    return model
