"""Calibration: fitted where the answer is known, chosen between areas, kept in a model's card."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression

from lscube.cli import main
from lscube.errors import InventoryError, ModelError
from lscube.learn import load_model
from lscube.learn.bundle import add_calibration
from lscube.learn.card import Card, read_card
from lscube.probabilities import (
    Calibration,
    fit_calibration,
    fit_isotonic,
    fit_temperature,
    group,
)
from lscube.scores import ODDS_STEP, Tally

MEASURED = {"pixels": 10, "error_before": 0.2, "error_after": 0.1}
TEMPERED = Calibration(kind="temperature", temperature=2.0, fitted_on=("A", "B"), **MEASURED)
BENT = Calibration(kind="isotonic", knots=(0.2, 0.6), values=(0.1, 0.5), **MEASURED)


def tally_of(probabilities, labels) -> Tally:
    tally = Tally()
    tally.add(np.asarray(probabilities, np.float64), np.asarray(labels, np.uint8))
    return tally


def simulated(temperature=1.0, pixels=300_000, seed=0, rare=0.05) -> Tally:
    """A network whose log-odds are the true ones times `temperature`; most pixels are no landslide."""
    rng = np.random.default_rng(seed)
    true = rng.beta(rare, 1.0, pixels)
    said = expit(temperature * logit(np.clip(true, 1e-30, 1 - 1e-12)))
    return tally_of(said, rng.random(pixels) < true)


def with_shares(shares: dict[float, float], pixels=1000) -> Tally:
    """For each probability, exactly this share of landslides."""
    parts = [(said, share, round(share * pixels)) for said, share in shares.items()]
    said = np.concatenate([np.full(pixels, said) for said, _, _ in parts])
    labels = np.concatenate([np.arange(pixels) < landslides for _, _, landslides in parts])
    return tally_of(said, labels)


def test_a_temperature_divides_the_log_odds():
    made = TEMPERED.apply(expit([-4.0, 0.0, 2.0]))
    np.testing.assert_allclose(made, expit([-2.0, 0.0, 1.0]), rtol=1e-6)


def test_between_knots_is_a_straight_line():
    made = BENT.apply(np.array([0.0, 0.2, 0.4, 0.6, 0.9]))
    np.testing.assert_allclose(made, [0.1, 0.1, 0.3, 0.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize("calibration", [TEMPERED, BENT], ids=["temperature", "isotonic"])
@settings(deadline=None)
@given(
    given=arrays.arrays(
        np.float32,
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0),
        elements=st.floats(0, 1, width=32) | st.just(np.nan),
    )
)
def test_applied_it_keeps_shape_order_and_what_is_not_known(calibration, given):
    made = calibration.apply(given)
    assert (made.dtype, made.shape) == (np.float32, given.shape)
    np.testing.assert_array_equal(np.isnan(made), np.isnan(given))
    known = np.argsort(given[~np.isnan(given)], kind="stable")
    rising = made[~np.isnan(given)][known]
    assert (np.diff(rising) >= 0).all()
    assert ((rising >= 0) & (rising <= 1)).all()


@pytest.mark.parametrize("calibration", [TEMPERED, BENT], ids=["temperature", "isotonic"])
def test_neighbouring_probabilities_keep_their_order(calibration):
    """Every float32 near a knot, and near 1, where log-odds are steep."""
    for start in (np.float32(0.2), np.float32(0.6), np.float32(1 - 1e-4)):
        steps = np.arange(-800, 800) + start.view(np.int32)
        near = steps.astype(np.int32).view(np.float32)
        assert (np.diff(calibration.apply(near)) >= 0).all()


def test_large_and_strided_arrays_are_computed_in_parts():
    values = np.random.default_rng(0).random((300, 700), np.float32)[:, ::2]
    expected = [TEMPERED.apply(row) for row in values]
    np.testing.assert_array_equal(TEMPERED.apply(values), expected)


def test_what_rounding_carried_beyond_one_is_one():
    beyond = np.array([np.nextafter(np.float32(1), np.float32(2)), 1.0], np.float32)
    sure = TEMPERED.apply(beyond)
    assert sure[0] == sure[1] > 0.999


def test_probabilities_that_are_true_have_temperature_one():
    tally = simulated()
    assert group(tally).error < 0.002
    fitted = fit_temperature(tally)
    assert fitted.temperature == pytest.approx(1, abs=0.03)
    assert (fitted.pixels, fitted.error_before) == (300_000, group(tally).error)


@pytest.mark.parametrize("temperature", [0.5, 1.7, 3.0])
def test_a_known_temperature_is_found(temperature):
    tally = simulated(temperature)
    fitted = fit_temperature(tally, ["A"])
    assert fitted.temperature == pytest.approx(temperature, rel=0.03)
    assert fitted.fitted_on == ("A",)
    assert fitted.error_after < 0.002 < 0.01 < fitted.error_before
    assert fitted.error_after == group(tally, calibration=fitted).error


def test_a_network_that_is_always_sure_is_cooled_as_far_as_it_goes():
    """Half of what it calls certain is wrong: even odds would be right, and 20 is the limit."""
    assert fit_temperature(with_shares({1.0: 0.5, 1e-13: 0.5})).temperature > 19.9


counted = st.lists(st.tuples(st.integers(-250, 250), st.booleans()), min_size=2, max_size=200)


@settings(deadline=None)
@given(counted.filter(lambda pixels: len({label for _, label in pixels}) == 2))
@example([*[(0, False)] * 7, *[(0, True)] * 4, (-8, False), (-9, False)])
def test_isotonic_agrees_with_scikit_learn(pixels):
    said = expit(ODDS_STEP * np.array([step for step, _ in pixels]))
    labels = np.array([label for _, label in pixels])
    theirs = IsotonicRegression(y_min=0, y_max=1).fit(said, labels).predict(said)
    fitted = fit_isotonic(tally_of(said, labels))
    ours = fitted.apply(said)
    mixed = (theirs > 0) & (theirs < 1)
    np.testing.assert_allclose(ours[mixed], theirs[mixed], rtol=0.05, atol=1.2e-4)
    # n pixels of one kind alone make nothing certain.
    few = theirs == 0
    assert (ours[few] <= 1.05 / (few.sum() + 2) + 0.006).all()
    assert ((ours > 0) & (ours < 1)).all()


def test_isotonic_finds_any_rising_curve_with_few_knots():
    shares = {0.1: 0.02, 0.3: 0.02, 0.5: 0.5, 0.7: 0.6, 0.9: 0.6}
    fitted = fit_isotonic(with_shares(shares))
    np.testing.assert_allclose(fitted.apply(np.array([*shares])), [*shares.values()], atol=0.006)
    assert len(fitted.knots) <= 5
    assert len(fit_isotonic(simulated(3.0)).knots) < 150


def test_temperature_is_taken_where_it_is_the_truth():
    areas = {name: simulated(2.0, 50_000, seed) for seed, name in enumerate("ABC")}
    fitted = fit_calibration(areas)
    assert fitted.temperature == pytest.approx(2, rel=0.05)
    assert (fitted.fitted_on, fitted.pixels) == (("A", "B", "C"), 150_000)
    assert fitted.error_after < fitted.error_before


def test_isotonic_is_taken_where_all_areas_share_another_curve():
    shares = {0.05: 0.0, 0.3: 0.3, 0.4: 0.31, 0.9: 0.32, 0.99: 0.9}
    fitted = fit_calibration({name: with_shares(shares) for name in "AB"})
    assert fitted.kind == "isotonic"
    assert fitted.error_after < 0.01


def test_with_one_area_that_has_landslides_temperature_is_taken():
    shares = {0.05: 0.0, 0.3: 0.3, 0.4: 0.31, 0.9: 0.32, 0.99: 0.9}
    one, bare = with_shares(shares), with_shares({0.05: 0.0})
    assert fit_calibration({"A": one}) == fit_temperature(one, "A")
    with_bare = fit_calibration({"A": one, "B": bare, "empty": Tally()})
    assert (with_bare.kind, with_bare.fitted_on) == ("temperature", ("A", "B"))


def test_every_area_weighs_the_same():
    """Ten times the pixels of one area change nothing."""
    small, other = with_shares({0.1: 0.3, 0.9: 0.7}), with_shares({0.1: 0.05, 0.9: 0.95})
    large = with_shares({0.1: 0.3, 0.9: 0.7}, pixels=10_000)
    one, ten = (fit_calibration({"A": area, "B": other}) for area in (small, large))
    said = np.array([0.1, 0.9])
    np.testing.assert_allclose(one.apply(said), [0.175, 0.825], atol=0.01)
    np.testing.assert_allclose(one.apply(said), ten.apply(said), rtol=1e-4)
    # Judged on the other area, each is wrong: the error says so.
    assert one.error_after == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("label", [0, 1])
def test_one_kind_of_pixels_is_not_enough(label):
    tally = tally_of([0.1, 0.9], [label, label])
    for fit in (fit_temperature, fit_isotonic, lambda it: fit_calibration({"A": it})):
        with pytest.raises(InventoryError, match="landslide and other pixels to calibrate with"):
            fit(tally)
    with pytest.raises(InventoryError, match="got 0 and 0"):
        fit_calibration({})


@settings(deadline=None)
@given(counted, st.integers(1, 20))
def test_groups_agree_with_scikit_learn(pixels, bins):
    # Off the edges of bins, where either side is right.
    said = expit(ODDS_STEP * (np.array([step for step, _ in pixels]) * 2 + 1))
    labels = np.array([label for _, label in pixels])
    ours = group(tally_of(said, labels), bins)
    observed, predicted = calibration_curve(labels, said, n_bins=bins)
    np.testing.assert_allclose(ours.observed, observed)
    np.testing.assert_allclose(ours.predicted, predicted)
    assert ours.pixels.sum() == len(pixels)


def test_a_tally_of_counts_alone_is_taken_at_the_middle_of_its_steps():
    tally = Tally()
    tally.landslide[[100, 1000]] = 3, 2
    tally.other[100] = 1
    points = tally.points()
    np.testing.assert_allclose(points.probability, [0.1005, 1.0])
    np.testing.assert_array_equal(points.landslide, [3, 2])
    np.testing.assert_array_equal(points.other, [1, 0])
    assert fit_temperature(tally).pixels == 6


def test_a_tally_tells_small_probabilities_apart():
    points = tally_of([1e-8, 1e-4, 0.0, 1.0], [0, 0, 0, 1]).points()
    np.testing.assert_allclose(points.probability[1:3], [1e-8, 1e-4], rtol=0.011)
    assert points.probability[0] < 1e-12 < 1 - 1e-12 < points.probability[3]


WRONG = {
    "no temperature": {"kind": "temperature"},
    "two curves": {"kind": "temperature", "temperature": 1.0, "knots": (0.1,), "values": (0.1,)},
    "negative": {"kind": "temperature", "temperature": -1.0},
    "no knots": {"kind": "isotonic"},
    "uneven": {"kind": "isotonic", "knots": (0.1, 0.2), "values": (0.1,)},
    "falling": {"kind": "isotonic", "knots": (0.1, 0.2), "values": (0.2, 0.1)},
    "beyond": {"kind": "isotonic", "knots": (0.1, 0.2), "values": (0.2, 1.1)},
}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_what_is_no_curve_is_refused(given):
    with pytest.raises(ValidationError):
        Calibration(**given, **MEASURED)


@pytest.fixture
def folder(tmp_path):
    """A saved model; what stands for its network is not opened here."""
    (tmp_path / "model.keras").write_bytes(b"network")
    card = Card(
        branches=("post",),
        post_bands=("red", "green", "blue"),
        resolution=10.0,
        full_scale=0.3,
        window=64,
        width=0.1,
        sha256=hashlib.sha256(b"network").hexdigest(),
    )
    (tmp_path / "card.json").write_text(card.model_dump_json())
    return tmp_path


@pytest.mark.parametrize("calibration", [TEMPERED, BENT], ids=["temperature", "isotonic"])
def test_a_calibration_is_kept_in_the_card(folder, calibration):
    before = read_card(folder)
    made = add_calibration(folder, calibration)
    assert made.card == read_card(folder) == load_model(folder).card
    assert made.card.calibration == calibration
    assert made.card.model_copy(update={"calibration": None}) == before
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.keras"]
    # Another one takes its place.
    assert add_calibration(folder, BENT).card.calibration == BENT


def test_a_card_from_before_calibrations_is_read(folder):
    path = folder / "card.json"
    old = json.loads(path.read_text())
    del old["calibration"]
    path.write_text(json.dumps(old))
    assert read_card(folder).calibration is None


def test_a_changed_network_gets_no_calibration(folder):
    (folder / "model.keras").write_bytes(b"another")
    with pytest.raises(ModelError, match="changed after it was saved"):
        add_calibration(folder, TEMPERED)
    assert read_card(folder).calibration is None


def test_a_damaged_calibration_is_named(folder):
    add_calibration(folder, TEMPERED)
    path = folder / "card.json"
    path.write_text(path.read_text().replace('"temperature": 2.0', '"temperature": null'))
    with pytest.raises(ModelError, match="calibration: expected a temperature"):
        read_card(folder)


def test_the_command_line_shows_a_calibration(folder, capsys):
    assert main(["model", "show", str(folder)]) == 0
    assert "calibration" not in capsys.readouterr().out
    add_calibration(folder, TEMPERED)
    assert main(["model", "show", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "calibration  temperature 2, fitted on A, B (10 pixels): expected" in shown
    assert "isotonic, 2 knots (10 pixels)" in BENT.describe()
