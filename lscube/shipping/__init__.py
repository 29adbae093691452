"""Making of the models that ship with lscube: chips, pairs and twins in, models with their cards out."""

from lscube.shipping.materials import Materials as Materials
from lscube.shipping.steps import prepare as prepare
from lscube.shipping.steps import test as test
from lscube.shipping.steps import train as train

__all__ = ["Materials", "prepare", "test", "train"]
