"""Section on where the work is done."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from lscube.errors import SettingsError
from lscube.settings.base import Settings
from lscube.settings.explaining import explain

WAYS = ("threads", "local", "gateway", "kubernetes", "hpc")
"""What `cluster.where` may be beside a scheduler's address."""

System = Literal["auto", "slurm", "pbs", "lsf", "sge", "oar", "moab", "htcondor"]
Option = str | int | float | bool

_TAKEN = {
    "threads": set[str](),
    "local": {"workers", "threads", "memory", "gpu"},
    "gateway": {"workers", "threads", "memory", "gpu", "image", "options"},
    "kubernetes": {"workers", "threads", "memory", "gpu", "image", "secret"},
    "hpc": {"workers", "threads", "memory", "gpu", "system"},
}
"""What each way can heed; an address: workers alone."""

_OF_ANY = {"image", "secret", "options", "wait"}
"""What stays right where another way is chosen than a section's: not how much each worker is to get."""


class ClusterSettings(Settings):
    """[cluster]: who computes, and what each worker gets."""

    where: str = "threads"
    """"threads" of this process; "local": processes of this machine; "gateway": a dask-gateway; "kubernetes":
    Dask's operator; "hpc": a batch system; or a scheduler's address, such as tcp://host:8786."""
    workers: int | None = Field(None, ge=1)
    """Worker processes to start; with an address, to wait for. Default: local fills this machine, gateway,
    kubernetes and hpc start 2, and of an address one is waited for."""
    threads: int | None = Field(None, ge=1)
    """Threads, and cores, of each worker. Default: local shares this machine's cores out, kubernetes takes 4;
    gateway and hpc as configured there."""
    memory: str | None = None
    """Memory of each worker, such as "8 GB" or "8 GiB". Default: local shares this machine's out, kubernetes
    takes 16 GiB; gateway and hpc as configured there."""
    gpu: bool = False
    """Each worker has a GPU: it then has Dask's resource `GPU=1`, and predicts one window batch at a time."""
    image: str | None = None
    """Container image of scheduler and workers, for gateway and kubernetes; it holds lscube."""
    options: dict[str, Option] = Field(default_factory=dict)
    """Further options of the gateway, by the names that it gives them."""
    secret: str | None = None
    """Kubernetes secret whose entries become variables of the workers' environment (keys to a store)."""
    system: System = "auto"
    """Batch system for hpc; "auto": that with cores in Dask's configuration, else whose command is here."""
    wait: float = Field(600.0, gt=0)
    """Seconds within which the cluster, and a first worker, must be there."""

    @field_validator("where")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in WAYS and "://" not in value:
            raise ValueError(
                f"is one of {', '.join(WAYS)}, or an address such as tcp://host:8786, not {value!r}"
            )
        return value

    @field_validator("memory")
    @classmethod
    def _amount(cls, value: str | None) -> str | None:
        if value is not None:
            bytes_of(value)
        return value

    @model_validator(mode="after")
    def _of_use(self) -> ClusterSettings:
        taken = _TAKEN.get(self.where, {"workers"}) | {"where", "wait"}
        # Not what was set: a job's sections are copied whole.
        useless = sorted(self.model_dump(exclude_defaults=True).keys() - taken)
        if useless:
            raise ValueError(
                f"{', '.join(useless)} is of no use with where = {self.where!r}; choose another cluster, or "
                "leave it out"
            )
        return self


def chosen(section: ClusterSettings | None, where: str | None) -> dict[str, Any]:
    """A section's content, with another `where`: what is about this way stays, and so does what it can heed.

    Parameters
    ----------
    section
        A job's.
    where
        Instead of the section's; None: the section's.
    """
    said = {} if section is None else section.model_dump(exclude_defaults=True)
    if where is None or said.get("where", "threads") == where:
        return said
    kept = _OF_ANY & (_TAKEN.get(where, {"workers"}) | {"wait"})
    return {"where": where, **{name: value for name, value in said.items() if name in kept}}


def make_cluster(content: dict[str, Any], origin: str = "the cluster") -> ClusterSettings:
    """Check a section's content.

    Raises
    ------
    SettingsError
        A setting is unknown, out of range, or of no use with the others.
    """
    try:
        return ClusterSettings.model_validate(content)
    except ValidationError as error:
        raise SettingsError(
            f"In {origin}: {explain(error, ClusterSettings)}; see `lscube settings`."
        ) from None


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def bytes_of(amount: str) -> int:
    """Bytes of an amount of memory such as "8 GB", "8GiB" or Kubernetes's "8Gi".

    Raises
    ------
    ValueError
        It is not one.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", amount, re.IGNORECASE)
    unit = {**_UNITS, **_BINARY}.get((found[2] or "").lower()) if found else None
    if found is None or unit is None or float(found[1]) <= 0:
        raise ValueError(f'must be an amount of memory such as "8 GB" or "8 GiB", not {amount!r}')
    return round(float(found[1]) * unit)
