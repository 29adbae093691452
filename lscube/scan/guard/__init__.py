"""What comes from outside: addresses, sizes and models, checked before they are used."""

from lscube.markup import clean_text
from lscube.scan.guard.addresses import check_address
from lscube.scan.guard.documents import number, parse_json, parse_xml
from lscube.scan.guard.hooks import GuardedAsk, GuardedSign, allowing_catalogs, guarded_outside
from lscube.scan.guard.hosts import Resolve, addresses_of, system_addresses
from lscube.scan.guard.items import check_items
from lscube.scan.guard.models import check_model
from lscube.scan.guard.web import GuardedSessions, final_address, guarded_fetch

__all__ = [
    "GuardedAsk",
    "GuardedSessions",
    "GuardedSign",
    "Resolve",
    "addresses_of",
    "allowing_catalogs",
    "check_address",
    "check_items",
    "check_model",
    "clean_text",
    "final_address",
    "guarded_fetch",
    "guarded_outside",
    "number",
    "parse_json",
    "parse_xml",
    "system_addresses",
]
