"""Where the guard is put in: how catalogues are asked (`Ask`) and how addresses are opened (`Sign`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from lscube.catalog import Answer, Ask, Patience, Query, Sign, open_catalog, sign_href
from lscube.catalog.sources import Search
from lscube.cube.reading import Access
from lscube.jobs import Outside
from lscube.scan.guard.addresses import check_address
from lscube.scan.guard.hosts import Resolve, system_addresses
from lscube.scan.guard.items import check_items
from lscube.scan.guard.web import PATIENCE, GuardedSessions, final_address
from lscube.settings import SourceSettings
from lscube.settings.scan_rules import AllowSettings, LimitSettings


@dataclass(frozen=True)
class GuardedAsk:
    """Opens a catalogue so that only allowed addresses are asked and given; for `find_scenes(ask=...)`."""

    allowed: AllowSettings
    """What may be reached."""
    limits: LimitSettings
    """How much is taken."""
    resolve: Resolve = system_addresses
    """How names are resolved; tests hand in their own."""
    ask: Ask = open_catalog
    """How a catalogue is opened."""

    def __call__(self, where: str | Path, patience: Patience) -> Search:
        """Open a catalogue; a file on this machine may name files of this machine."""
        remote = not isinstance(where, Path)
        if remote:
            check_address(str(where), self.allowed)
        limits = self.limits
        sessions = GuardedSessions(
            self.allowed, limits, limits.catalog_bytes, self.resolve, limits.search_bytes
        )
        # Were each page to bring one item, there would be as many.
        pages = min(patience.pages, limits.items)
        search = self.ask(where, replace(patience, session=sessions, pages=pages))

        def checked(query: Query) -> Answer:
            answer = search(query)
            items, notes = check_items(answer.items, self.allowed, self.limits, remote)
            return Answer(items, (*answer.notes, *notes))

        return checked


@dataclass(frozen=True)
class GuardedSign:
    """Gives GDAL an address that was checked, redirects followed; for `lscube.cube.Access(sign=...)`.

    It travels to other processes with the graph. What it cannot do is said at `final_address`.
    """

    allowed: AllowSettings
    """What may be reached."""
    limits: LimitSettings
    """How many redirects."""
    sign: Sign = sign_href
    """Signs the address first."""
    resolve: Resolve = system_addresses
    """How names are resolved; tests hand in their own."""
    patience: Patience = PATIENCE
    """How often and how long a server is asked where its redirects lead."""

    def __call__(self, href: str) -> str:
        """Give the address to open."""
        # Whether a catalogue from elsewhere named a file of this machine was looked at with its items.
        check_address(href, self.allowed, remote=False)
        signed = self.sign(href)
        if not signed.startswith(("http://", "https://")):
            return signed
        sessions = GuardedSessions(self.allowed, self.limits, self.limits.feed_bytes, self.resolve)
        return final_address(signed, sessions, self.patience)


def guarded_outside(
    allowed: AllowSettings,
    limits: LimitSettings,
    source: SourceSettings,
    resolve: Resolve = system_addresses,
) -> Outside:
    """Make the ways by which a scan's jobs reach catalogues and files (`lscube.jobs`).

    Catalogues on this machine that the job names may name files in their own folder.
    """
    own = allowing_catalogs(allowed, source)
    sign = GuardedSign(own, limits, resolve=resolve)
    return Outside(GuardedAsk(own, limits, resolve), Access(sign))


def allowing_catalogs(allowed: AllowSettings, source: SourceSettings) -> AllowSettings:
    """Allow the folders of the catalogues on this machine that a job names."""
    own = [where.resolve().parent for where in source.catalogs if isinstance(where, Path)]
    return allowed.model_copy(update={"folders": (*allowed.folders, *own)})
