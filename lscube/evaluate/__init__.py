"""How good is a map: counts, scores, a baseline to beat, and the picture."""

from lscube.evaluate.baseline import brightness_change as brightness_change
from lscube.evaluate.chips import draw_chips as draw_chips
from lscube.evaluate.chips import score_chips as score_chips
from lscube.evaluate.cube_picture import draw_cube as draw_cube
from lscube.evaluate.picture import draw_quicklook as draw_quicklook
from lscube.evaluate.report import evaluate_map as evaluate_map
from lscube.evaluate.report import within as within
from lscube.scores import Confusion as Confusion
from lscube.scores import score as score

__all__ = [
    "Confusion",
    "brightness_change",
    "draw_chips",
    "draw_cube",
    "draw_quicklook",
    "evaluate_map",
    "score",
    "score_chips",
    "within",
]
