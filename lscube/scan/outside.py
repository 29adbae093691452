"""A scan's world as its settings have it: real feeds, clocks, servers, all guarded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from lscube.cluster import connect
from lscube.deliveries.inputs import Etags
from lscube.errors import SettingsError
from lscube.jobs import Outside
from lscube.logs import say
from lscube.scan.alerts.webhook import Webhook
from lscube.scan.area import Area, area_of
from lscube.scan.guard import GuardedSessions, check_model, guarded_fetch, guarded_outside
from lscube.scan.guard.hosts import proxy_for
from lscube.scan.hazard import Fetch, Hazard, Trigger
from lscube.scan.home import DryHome, FolderHome, Home, ObjectHome
from lscube.scan.rules import wanted
from lscube.scan.state import MemoryState, State, open_state
from lscube.scan.state.sqlite import FILE
from lscube.scan.steepness import elevation_from
from lscube.scan.triggers import FDSN, RSS, Gdacs, OwnList, Usgs
from lscube.scan.world import Post, World
from lscube.settings.scan import ScanSettings


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


@contextmanager
def opened(
    settings: ScanSettings, sleep: Callable[[float], object], dry: bool = False
) -> Iterator[World]:
    """A scan's world, until the end of the block.

    Parameters
    ----------
    settings
        The scan's.
    sleep
        Waits, until it is told to stop.
    dry
        Whether nothing is to be written or told.

    Raises
    ------
    ModelError, SettingsError, StoreError
        A model is not allowed, a secret is missing, the memory cannot be used.
    """
    models = tuple(check_model(folder, settings.allow.models) for folder in settings.map.models)
    with ExitStack() as stack:
        state = stack.enter_context(_state_of(settings, dry))
        home = stack.enter_context(_home_of(settings, dry))
        fetch = guarded_fetch(settings.allow, settings.limits)
        outside = guarded_outside(settings.allow, settings.limits, settings.source)
        sessions = GuardedSessions(settings.allow, settings.limits, settings.limits.feed_bytes)
        post, secret = (None, None) if dry else webhook_of(settings, os.environ)
        yield World(
            settings=settings,
            state=state,
            home=home,
            triggers=triggers_of(settings, fetch),
            models=models,
            wanted=partial(wanted, rules=settings.rules),
            area_of=partial(_area, settings, fetch, outside),
            clock=utc_now,
            outside=outside,
            etag=Etags(session=sessions, sign=outside.access.sign),
            post=post,
            secret=secret,
            sleep=sleep,
            connect=partial(connect, settings.cluster, say),
        )


def _area(settings: ScanSettings, fetch: Fetch, outside: Outside, hazard: Hazard) -> Area:
    elevation = elevation_from(settings.source, outside, settings.cube)
    return area_of(hazard, settings.area, fetch, elevation, settings.limits)


@contextmanager
def _state_of(settings: ScanSettings, dry: bool) -> Iterator[State]:
    folder = settings.folder
    if dry and isinstance(folder, Path) and not (folder / FILE).exists():
        yield MemoryState()
        return
    state = open_state(folder)
    try:
        yield MemoryState(state) if dry else state
    finally:
        state.close()


@contextmanager
def _home_of(settings: ScanSettings, dry: bool) -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="lscube-scan-") as scratch:
        home: Home
        if isinstance(settings.folder, Path):
            home = FolderHome(settings.folder)
        else:
            home = ObjectHome(settings.folder, Path(scratch) / "kept")
        yield DryHome(home, Path(scratch)) if dry else home


def triggers_of(settings: ScanSettings, fetch: Fetch) -> dict[str, Trigger]:
    """Who is asked for events, by name."""
    given, limits = settings.triggers, settings.limits
    found: dict[str, Trigger] = {}
    if given.own:
        found["own"] = OwnList(given.own, limits)
    if given.usgs:
        address = given.usgs if isinstance(given.usgs, str) else FDSN
        found["usgs"] = Usgs(
            fetch, address, given.min_magnitude, days=settings.watch.days, limits=limits
        )
    if given.gdacs:
        address = given.gdacs if isinstance(given.gdacs, str) else RSS
        found["gdacs"] = Gdacs(fetch, address, limits)
    return found


def webhook_of(
    settings: ScanSettings, environment: Mapping[str, str]
) -> tuple[Post | None, bytes | None]:
    """The webhook, and the secret that its messages are signed with.

    Raises
    ------
    SettingsError
        There is a webhook, but no secret.
    """
    alerts = settings.alerts
    if alerts.webhook is None:
        return None, None
    secret = environment.get(alerts.secret, "")
    if not secret:
        raise SettingsError(
            f"Expected the webhook's secret in the environment variable {alerts.secret}, found none; set it, "
            "or name another one with alerts.secret."
        )
    return Webhook(
        alerts.webhook, alerts.timeout, proxy_for(alerts.webhook, settings.allow)
    ), secret.encode()
