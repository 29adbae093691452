"""The paper's experiments: models of one area and of several, on areas they know and on others.

`areas` says which areas there are, `design` which models are trained on which of them, `making` trains,
maps and scores one model, `running` makes them all here or on a cluster, `assembling` puts the results
together.
"""

from lscube.experiments.design import ModelPlan, design_models
from lscube.experiments.running import run_experiment

__all__ = ["ModelPlan", "design_models", "run_experiment"]
