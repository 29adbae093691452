"""The paper's experiments: models of one area and of several, on areas they know and on others.

`areas` says which areas there are, `design` which models are trained on which of them, `reading` reads
and checks the areas, `making` trains, maps and scores one model, `running` makes them all here or on a
cluster, `assembling` puts the results together.
"""

from lscube.experiments.areas import check_areas
from lscube.experiments.design import ModelPlan, design_models
from lscube.experiments.running import Execution, run_experiment

__all__ = ["Execution", "ModelPlan", "check_areas", "design_models", "run_experiment"]
