import base64
import dataclasses
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lscube.evaluate.figures import FIGURES, draw_figures
from lscube.evaluate.page import write_page
from lscube.evaluate.page.document import (
    Bullets,
    Code,
    Document,
    Heading,
    Paragraph,
    Picture,
    Table,
)
from lscube.evaluate.page.findings import (
    best_model,
    bias,
    combined_against_conventional,
    findings,
    jackknife,
    progressive_against_combined,
)
from lscube.evaluate.page.sections import CAPTIONS
from lscube.evaluate.page.tables import (
    area_table,
    calibration_table,
    jackknife_table,
    model_table,
    object_table,
    run_table,
    score_tables,
)
from lscube.evaluate.page.to_html import render_html
from lscube.evaluate.page.to_markdown import escaped, render_markdown
from lscube.evaluate.page.wording import duration, number, share, signed, size_class, with_interval
from lscube.evaluate.results import SizeClass
from tests.test_figures import a_model, a_score, an_area, an_experiment, the_paper_in_small

PIXEL = base64.b64decode(
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Reader(HTMLParser):
    """Collects an HTML file's text, addresses and cells, and checks that tags are closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.text, self.rows = [], [], "", []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag == "img":
            assert dict(attrs)["alt"]
        if tag == "tr":
            self.rows.append(0)
        if tag in ("td", "th"):
            self.rows[-1] += 1
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def html_of(*blocks, folder=None):
    return render_html(Document("A title", blocks), folder)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_any_text_comes_through_html_as_it_is(text):
    assert text in Reader(html_of(Code(f"|{text}|"))).text


def test_models_have_sub_and_superscript_in_html():
    text = html_of(Paragraph("Best: M_10^ALL. Then M_6^A,C."))
    assert "Best: M<sub>10</sub><sup>ALL</sup>. Then M<sub>6</sub><sup>A</sup>,C." in text


def test_what_means_something_to_markdown_is_escaped():
    assert escaped("a|b *c* <d> [e](f) `g` $h$") == r"a\|b \*c\* \<d\> \[e\](f) \`g\` \$h\$"
    assert escaped("# no heading\nand one line") == r"\# no heading and one line"
    assert escaped("1. no list") == r"1\. no list"
    assert escaped("- no list") == r"\- no list"
    assert escaped("---") == r"\---"
    assert [escaped(each) for each in ("0.5", "+0.5", "-0.5")] == ["0.5", "+0.5", "-0.5"]
    assert escaped("M_10^ALL and _this_") == r"M_10^ALL and \_this\_"


def test_a_document_in_markdown():
    table = Table("Sizes", ("area", "m²"), (("A|B", "12"), ("C", "3")))
    document = Document(
        "Title",
        (
            Heading("One"), Bullets(("first", "second")), Code("run `this`\nthen"), table,
            Picture("figures/M_10^ALL a.png", "A [map]", "Its caption"),
        ),
    )  # fmt: skip
    assert render_markdown(document) == (
        "# Title\n\n## One\n\n- first\n- second\n\n    run `this`\n    then\n\n"
        "**Sizes**\n\n| area | m² |\n| --- | ---: |\n| A\\|B | 12 |\n| C | 3 |\n\n"
        "![A \\[map\\]](figures/M_10%5EALL%20a.png)\n\nIts caption\n"
    )


def test_a_picture_is_in_the_html_file(tmp_path):
    (tmp_path / "dot.png").write_bytes(PIXEL)
    text = html_of(Picture("dot.png", 'a "dot"', "<caption>"), folder=tmp_path)
    (address,) = Reader(text).addresses
    kind, data = address.split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == PIXEL
    assert 'alt="a &quot;dot&quot;"' in text
    assert "&lt;caption&gt;" in text


@given(st.lists(st.text(max_size=8), min_size=2, max_size=2))
def test_any_cells_stay_in_their_columns_in_markdown(cells):
    table = Table("Cells", ("one", "two"), (tuple(cells),))
    row = render_markdown(Document("A title", (table,))).removesuffix("\n").split("\n")[-1]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3


def test_a_row_must_have_as_many_cells_as_the_header():
    with pytest.raises(ValueError, match="expected 2 cells"):
        Table("Sizes", ("area", "m²"), (("A",),))


def test_numbers_in_words():
    assert [duration(s) for s in (None, 12, 59.6, 3600 * 26 + 61)] == [
        "–",
        "12 s",
        "0:01 h",
        "26:01 h",
    ]
    assert [signed(v) for v in (0.0004, -0.0004, -0.1, None)] == ["0.000", "0.000", "-0.100", "–"]
    assert [number(v) for v in (-0.0001, 0.25, float("nan"))] == ["0.000", "0.250", "–"]
    assert [share(1, 3), share(0, 0)] == ["33 %", "–"]
    limits = ((0, 1e3), (1e3, 1e4), (1e5, None))
    classes = [SizeClass(*each, 0, 0, 0, 0) for each in limits]
    assert [size_class(each) for each in classes] == [
        "below 1,000 m²", "1,000 to 10,000 m²", "from 100,000 m²",
    ]  # fmt: skip
    score = a_score("M", "A", 0.5, None, 0.0, intervals={"mcc": (0.45, 0.55)})
    assert with_interval(score, "mcc") == "0.500 (0.450 to 0.550)"
    assert with_interval(score, "precision") == "–"


def columns(table, *names):
    places = [table.header.index(name) for name in names]
    return [tuple(row[place] for place in places) for row in table.rows]


def test_the_tables_of_an_experiment():
    results = the_paper_in_small()
    run = dict(run_table(results).rows)
    assert run["time"].startswith("3:07 h")
    assert run["libraries"] == "keras 3.15"
    assert columns(area_table(results), "area", "landslides")[-1] == ("G", "1")
    assert ("M_30^B", "too small: no patch fits", "–") in columns(
        model_table(results), "model", "status", "time"
    )
    scored = score_tables(results)
    assert columns(scored["I"], "area", "model") == [
        ("A", "M_10^A"), ("A", "M_30^A"), ("B", "M_10^B"), ("C", "M_10^C"), ("C", "M_30^C"),
    ]  # fmt: skip
    assert ("B", "M_10^ALL", "combined") in columns(scored["II"], "area", "model", "kind")
    assert ("B", "M_10^AC") not in columns(scored["II"], "area", "model")
    assert len(scored["III"].rows) == 3 * 11 + 3
    assert ("B", "M_10^AC", "whole area") in columns(scored["III"], "area", "model", "scored on")
    assert ("M_10^ALL", "E", "0.0123", "0.0041") in calibration_table(results).rows
    assert object_table(results).rows[0][1:] == (
        "below 1,000 m²", "50", "5", "10 %", "20", "10", "50 %",
    )  # fmt: skip


def test_a_jackknife_model_has_not_seen_the_area_left_out():
    areas = [an_area("A"), an_area("B")]
    models = [a_model("M_10^A", "jackknife", "A")]
    scored = score_tables(
        an_experiment([a_score("M_10^A", "A", 0.5), a_score("M_10^A", "B", 0.4)], models, areas)
    )
    assert columns(scored["II"], "area") == [("A",)]
    assert columns(scored["III"], "area") == [("B",)]
    assert scored["I"] is None


def test_the_jackknife_table_has_a_dash_where_nothing_was_scored():
    areas = [an_area("A"), an_area("B"), an_area("E", "test"), an_area("F", "test")]
    models = [a_model("M_10^ALL", "combined", "AB"), a_model("M_10^B", "jackknife", "B")]
    scores = [a_score("M_10^ALL", "E", 0.5), a_score("M_10^B", "E", 0.625)]
    table = jackknife_table(an_experiment(scores, models, areas))
    assert table.rows == (("A", "M_10^B", "10 m", "+0.125", "–"),)


def contest(combined, conventional, **others):
    """Scores of the combined model and of two conventional ones on areas E and F."""
    areas = [an_area("A"), an_area("B"), an_area("E", "test"), an_area("F", "test")]
    models = [a_model(f"M_10^{letter}", "conventional", letter) for letter in "AB"]
    models.append(a_model("M_10^ALL", "combined", "AB"))
    scores = [a_score("M_10^ALL", *pair, **others) for pair in zip("EF", combined, strict=False)]
    for letter, mccs in zip("AB", conventional, strict=False):
        scores += [a_score(f"M_10^{letter}", *pair) for pair in zip("EF", mccs, strict=False)]
    return an_experiment(scores, models, areas)


@pytest.mark.parametrize(
    ("combined", "conventional", "said"),
    [
        ((0.6, 0.5), ((0.4, 0.3), (0.2, 0.5)),
         "0.550 and the conventional ones 0.350: combined learning is ahead by 0.200. It is above the "
         "best conventional model of the area on 1 of 2 (equal on 1)"),
        ((0.2, 0.1), ((0.4, 0.3), (0.2, 0.5)),
         "0.150 and the conventional ones 0.350: conventional learning is ahead by 0.200. It is above "
         "the best conventional model of the area on 0 of 2;"),
        ((0.3, 0.4), ((0.3, 0.4), (0.3, 0.4)), "0.350 and the conventional ones 0.350: no difference."),
        ((), ((0.3, 0.4),), "cannot be compared"),
        ((0.3, 0.4), (), "cannot be compared"),
        ((0.3,), ((0.1, 0.9),), "on average over 1 area never trained on"),
    ],
)  # fmt: skip
def test_combined_and_conventional_are_compared_as_the_numbers_are(combined, conventional, said):
    assert said in combined_against_conventional(contest(combined, conventional), 10.0)


@pytest.mark.parametrize(
    ("added", "said"),
    [
        (
            (0.6, 0.5),
            "0.550 and training on all at once 0.500: progressive learning is ahead by 0.050.",
        ),
        (
            (0.4, 0.5),
            "0.450 and training on all at once 0.500: combined learning is ahead by 0.050.",
        ),
        ((0.7,), "over 1 area never trained on, adding areas one by one gives an MCC of 0.700"),
    ],
)
def test_adding_areas_one_by_one_is_compared_with_all_at_once(added, said):
    results = contest((0.5, 0.5), ())
    models = (*results.models, a_model("M_10^A+B", "progressive", "AB"))
    scores = [a_score("M_10^A+B", *pair) for pair in zip("EF", added, strict=False)]
    found = dataclasses.replace(results, models=models, scores=(*results.scores, *scores))
    (sentence,) = progressive_against_combined(found, 10.0)
    assert said in sentence
    assert list(progressive_against_combined(results, 10.0)) == []


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (
            {"A": 0.5, "B": 0.4},
            "M_10^A has the highest MCC, 0.500, of 2 models; M_10^B follows with 0.400.",
        ),
        (
            {"A": 0.4, "B": 0.5},
            "M_10^B has the highest MCC, 0.500, of 2 models; M_10^A follows with 0.400.",
        ),
        ({"A": 0.5, "B": 0.50004}, "M_10^A and M_10^B share the highest MCC, 0.500, of 2 models."),
        ({"B": 0.5}, "only M_10^B was scored, with an MCC of 0.500."),
        ({"A": -0.1, "B": 0.0}, "no model does better than chance; the highest MCC is 0.000."),
        ({}, "no model was scored."),
    ],
)
def test_the_best_model_is_named_or_there_is_none(scores, said):
    models = [a_model(f"M_10^{letter}", "conventional", letter) for letter in "AB"]
    found = [a_score(f"M_10^{letter}", "E", mcc) for letter, mcc in scores.items()]
    sentence = best_model(an_experiment(found, models), an_area("E", "test"))
    assert sentence == f"Area E (never trained on): {said}"


def test_the_best_on_a_test_region_was_scored_on_it():
    models = [a_model("M_10^A", "conventional", "A"), a_model("M_10^B", "jackknife", "B")]
    found = [a_score("M_10^A", "A", 0.5), a_score("M_10^B", "A", 0.6, region="whole area")]
    assert "only M_10^A was scored" in best_model(an_experiment(found, models), an_area("A"))


@pytest.mark.parametrize(("low", "said"), [(0.45, "overlap"), (0.49, "do not overlap")])
def test_intervals_are_compared(low, said):
    models = [a_model(f"M_10^{letter}", "conventional", letter) for letter in "AB"]
    found = [
        a_score("M_10^A", "E", 0.5, intervals={"mcc": (low, 0.6)}),
        a_score("M_10^B", "E", 0.4, intervals={"mcc": (0.3, 0.47)}),
    ]
    assert f"(their 95 % intervals {said})" in best_model(
        an_experiment(found, models), an_area("E", "test")
    )


@pytest.mark.parametrize(
    ("precision", "recall", "said"),
    [
        (0.9, 0.4, "of +0.500 on average (E +0.500 and F +0.500): it is biased towards precision. It leaves "
                   "out more than it adds on 2 of 2."),
        (0.4, 0.9, "of -0.500 on average (E -0.500 and F -0.500): it is biased towards recall. It leaves "
                   "out more than it adds on 0 of 2."),
        (0.5, 0.5, "of 0.000 on average (E 0.000 and F 0.000): it is balanced. It leaves"),
        (None, 0.0, "On areas never trained on nothing can be said"),
    ],
)  # fmt: skip
def test_the_bias_is_said_as_it_is(precision, recall, said):
    results = contest((0.5, 0.5), (), precision=precision, recall=recall)
    assert said in bias(results, "test")


def test_an_area_without_a_bias_is_named():
    scores = [a_score("M_10^ALL", "E", 0.5, 0.8, 0.6), a_score("M_10^ALL", "F", 0.0, None, 0.0)]
    results = dataclasses.replace(contest((), ()), scores=tuple(scores))
    assert "(E +0.200; no such number for F)" in bias(results, "test")


@pytest.mark.parametrize(
    ("without_a", "said", "end"),
    [
        (
            (0.6, 0.4),
            "raises the MCC on E (+0.100) and lowers the MCC on F (-0.100)",
            "no training area",
        ),
        ((0.6, 0.6), "raises the MCC on E (+0.100) and F (+0.100)", "Without A the MCC is higher"),
        (
            (0.5, 0.4),
            "lowers the MCC on F (-0.100) and does not change the MCC on E",
            "no training area",
        ),
    ],
)
def test_what_an_area_is_good_for_is_said_as_it_is(without_a, said, end):
    results = contest((0.5, 0.5), ())
    models = (*results.models, a_model("M_10^~A", "jackknife", "B"))
    scores = [a_score("M_10^~A", *pair) for pair in zip("EF", without_a, strict=True)]
    found = dataclasses.replace(results, models=models, scores=(*results.scores, *scores))
    first, last = jackknife(found)
    assert first == f"Training without A (M_10^~A) {said}."
    assert end in last


def test_the_findings_of_an_experiment():
    said = findings(the_paper_in_small())
    assert said[0] == "Not made: 1 of 12 models, M_30^B (too small)."
    assert any(
        "from 0.0123 to 0.0041 on average; it is lower on 3 of 3" in sentence for sentence in said
    )
    assert said[-1] == (
        "Of the landslides on areas never trained on, M_10^ALL finds 10 % of those below 1,000 m² "
        "(15 of 150) and 75 % of those 1,000 to 10,000 m² (45 of 60)."
    )
    assert findings(an_experiment()) == ()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    results = the_paper_in_small()
    scores = [
        dataclasses.replace(score, picture="M_10^ALL_E.png")
        if (score.model, score.area) == ("M_10^ALL", "E") else score
        for score in results.scores
    ]  # fmt: skip
    scores[0] = dataclasses.replace(scores[0], picture="another.png")
    results = dataclasses.replace(
        results, scores=tuple(scores), name="<small> & | fine", command="run --a '<b>' | tee `c`"
    )
    draw_figures(folder / "figures", results)
    (folder / "figures" / "M_10^ALL_E.png").write_bytes(PIXEL)
    return results, *write_page(folder, results)


def test_the_html_page_needs_nothing_beside_it(page):
    _, _, path = page
    text = path.read_text(encoding="utf-8")
    reader = Reader(text)
    assert len(reader.addresses) == 7
    assert all(address.startswith("data:image/png;base64,") for address in reader.addresses)
    assert not re.search(r"(src|href)\s*=\s*\"?http|url\(|@import|<script|<link", text)
    assert "Results of <small> & | fine" in reader.text
    assert "run --a '<b>' | tee `c`" in reader.text


def test_every_figure_that_markdown_refers_to_exists(page):
    _, path, _ = page
    text = path.read_text(encoding="utf-8")
    names = [unquote(name) for name in re.findall(r"!\[[^\n]*\]\(([^)]*)\)", text)]
    assert len(names) == 7
    assert all((path.parent / name).is_file() for name in names)
    assert "M_10^A on area A: another.png" in text


def test_all_rows_of_a_table_have_as_many_cells_as_its_header(page):
    _, path, _ = page
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("| ")]
    assert len(tables) == 9
    for lines in tables:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
        assert len(cells) == 1


def test_both_pages_say_that_the_reference_is_simulated(page):
    results, *paths = page
    for path in paths:
        assert "The reference is simulated" in path.read_text(encoding="utf-8")
        assert "They rank nothing about real events" in path.read_text(encoding="utf-8")
    mapped = dataclasses.replace(results, reference_is="inventory")
    for path in write_page(paths[0].parent, mapped):
        assert "simulated" not in path.read_text(encoding="utf-8")


def test_each_figure_has_its_caption():
    assert set(CAPTIONS) == {figure.name for figure in FIGURES}


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("inventory", ["where it is wrong, a map that is right counts as wrong"]),
        ("model output", ["how far two models agree"]),
        ("inventory and simulated inventory", ["counts as wrong", "Part of it is simulated"]),
    ],
)
def test_the_page_says_what_the_reference_is_worth(reference, said, tmp_path):
    results = an_experiment(reference_is=reference, command="")
    markdown, _ = write_page(tmp_path, results)
    text = markdown.read_text(encoding="utf-8")
    assert all(each in text for each in [f"The reference: {reference}.", *said])
    assert "The command" not in text


def test_a_page_without_figures_or_results_says_so(tmp_path):
    markdown, page = write_page(tmp_path, the_paper_in_small())
    assert "(Not drawn: Spider plots of" in markdown.read_text(encoding="utf-8")
    assert Reader(page.read_text(encoding="utf-8")).addresses == []
    markdown, _ = write_page(tmp_path, an_experiment())
    assert "- Nothing was scored." in markdown.read_text(encoding="utf-8")


def test_a_picture_outside_the_folder_of_figures_is_not_taken(tmp_path):
    (tmp_path / "secret.png").write_bytes(PIXEL)
    results = contest((0.5,), (), picture="../secret.png")
    _, page = write_page(tmp_path, results)
    assert Reader(page.read_text(encoding="utf-8")).addresses == []
