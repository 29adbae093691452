"""From what a network says to how often it is true: calibrated probabilities.

A network trained with a loss that favours recall says 0.9 where 6 of 10 pixels are landslides. A
calibration, fitted on areas that training did not see, mends that and keeps the order of pixels:

- temperature scaling, one number: Guo, C. et al. (2017), On calibration of modern neural networks
  (arXiv:1706.04599);
- isotonic regression, a rising curve: Zadrozny, B., Elkan, C. (2002), Transforming classifier scores
  into accurate multiclass probability estimates (doi:10.1145/775047.775151).

Both are fitted to a `lscube.scores.Tally` of float32 probabilities, in its steps of log-odds: in a map
stored as uint8 all that is below 0.002 reads as 0, and nothing can be learnt from it.
"""

from lscube.probabilities.calibration import Calibration as Calibration
from lscube.probabilities.fitting import fit_calibration as fit_calibration
from lscube.probabilities.fitting import fit_isotonic as fit_isotonic
from lscube.probabilities.fitting import fit_temperature as fit_temperature
from lscube.probabilities.groups import Groups as Groups
from lscube.probabilities.groups import group as group

__all__ = [
    "Calibration",
    "Groups",
    "fit_calibration",
    "fit_isotonic",
    "fit_temperature",
    "group",
]
