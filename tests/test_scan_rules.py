"""Rules: what is mapped, and why."""

import pytest
from pydantic import ValidationError

from lscube.scan.rules import wanted
from lscube.scan.triggers.usgs_event import hazard_of
from lscube.settings.scan_rules import DEFAULT_RULES, RuleSettings, ScanAreaSettings
from tests.feeds import failure, usgs_detail, usgs_feature


def event(colour="orange", **said):
    detail = usgs_detail(ground_failure=[failure(landslide_hazard_alert_color=colour)])
    detail["properties"].update(said)
    return hazard_of(detail)


def rule(**asked):
    return RuleSettings(name="mine", **asked)


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ({}, True),
        ({"landslide_hazard": "yellow"}, True),
        ({"landslide_hazard": "orange"}, True),
        ({"landslide_hazard": "red"}, False),
        ({"landslide_population": "yellow"}, True),
        ({"landslide_population": "orange"}, False),
        ({"alert": "orange"}, True),
        ({"alert": "red"}, False),
        ({"pager": "green"}, False),
        ({"magnitude": 6.6}, True),
        ({"magnitude": 6.7}, False),
        ({"mmi": 8.5}, True),
        ({"mmi": 9}, False),
        ({"max_depth": 35}, True),
        ({"max_depth": 34}, False),
        ({"kinds": ("flood", "earthquake")}, True),
        ({"kinds": ("flood",)}, False),
        ({"sources": ("usgs",)}, True),
        ({"sources": ("own",)}, False),
        ({"bounds": (141, 42, 142, 43)}, True),
        ({"bounds": (142, 42, 143, 43)}, False),
        ({"bounds": (140, 42, -170, 43)}, True),
        ({"bounds": (170, 42, -170, 43)}, False),
        ({"magnitude": 6, "alert": "red"}, False),
        ({"magnitude": 6, "alert": "yellow", "kinds": ("earthquake",)}, True),
    ],
)
def test_all_that_a_rule_asks_for_must_hold(asked, holds):
    assert wanted(event(), [rule(**asked)]).wanted is holds


def test_the_first_rule_that_holds_wins_with_its_reason():
    rules = [
        RuleSettings(name="great", magnitude=8),
        RuleSettings(name="hazardous", landslide_hazard="orange"),
        RuleSettings(name="any"),
    ]
    decision = wanted(event(), rules)
    assert (decision.wanted, decision.rule) == (True, "hazardous")
    assert decision.reason == (
        "Rule 'hazardous' holds: landslide hazard orange, at least orange asked."
    )
    decision = wanted(event("green"), rules[:2])
    assert (decision.wanted, decision.rule) == (False, None)
    assert decision.reason == (
        "No rule holds: 'great' (magnitude 6.6, at least 8 asked), "
        "'hazardous' (landslide hazard green, at least orange asked)."
    )
    assert wanted(event(), []).reason == "No rule holds: there is none."


def test_what_is_not_known_is_not_enough():
    bare = hazard_of(usgs_feature(mag=None, mmi=None, alert=None))
    for asked in ({"landslide_hazard": "green"}, {"magnitude": 0}, {"mmi": 1}, {"alert": "green"}):
        decision = wanted(bare, [rule(**asked)])
        assert not decision.wanted
        assert "unknown" in decision.reason


def test_a_deleted_event_is_never_wanted():
    gone = event(status="deleted")
    assert wanted(gone, [rule()]).reason == "usgs-us7000fake was taken back by its source."


@pytest.mark.parametrize(
    ("colour", "said", "name"),
    [
        ("orange", {"alert": "green"}, "landslides expected"),
        ("green", {"alert": "green", "mag": 7.0, "mmi": 7.5}, "strong shallow earthquake"),
        ("green", {"alert": "orange", "mag": 6.0}, "orange alert"),
        ("green", {"alert": "green", "mag": 6.0}, None),
        ("green", {"alert": "green", "mag": 7.0, "mmi": 6.0}, None),
    ],
)
def test_the_rules_of_a_scan_without_its_own(colour, said, name):
    assert wanted(event(colour, **said), DEFAULT_RULES).rule == name


@pytest.mark.parametrize(
    "asked",
    [
        {"alert": "blue"},
        {"magnitude": 11},
        {"kinds": ["eruption"]},
        {"bounds": [1, 5, 2, 4]},
        {"hazard": "red"},
        {"magnitude": float("nan")},
    ],
)
def test_a_wrong_rule_is_refused(asked):
    with pytest.raises(ValidationError):
        rule(**asked)


def test_a_piece_larger_than_the_budget_is_refused():
    with pytest.raises(ValidationError, match="must not exceed"):
        ScanAreaSettings(min_km2=10, budget_km2=5)
