"""What a run says while it is under way."""

from lscube.mapping import Progress
from lscube.progress import map_progress


def state(done: int, seconds: float) -> Progress:
    return Progress(40, done, 4000.0, 100.0 * done, 1000.0, seconds)


def test_rate_and_time_left_are_those_of_this_run():
    assert state(10, 0.0).rate is None
    # 10 regions were there before; 20 more took 1000 s.
    later = state(30, 1000.0)
    assert later.rate == 2.0
    assert later.seconds_left == 500.0
    assert str(later) == "30 of 40 regions, 3,000 of 4,000 km2, 2 km2/s, 0:08:20 left"
    assert str(state(10, 0.0)) == "10 of 40 regions, 1,000 of 4,000 km2"


def test_without_a_terminal_there_is_a_line_a_minute(capsys):
    times = iter([0.0, 30.0, 61.0, 62.0])
    with map_progress(lambda: next(times)) as watch:
        for done in (10, 11, 12, 40):
            watch(state(done, 10.0 * (done - 10)))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" of ")[0] for line in lines] == [
        "Mapping: 10",
        "Mapping: 12",
        "Mapping: 40",
    ]
