"""Making of the models that ship with lscube: patches of chips and twins in, models with their cards out."""

from lscube.shipping.steps import prepare as prepare
from lscube.shipping.steps import test as test
from lscube.shipping.steps import train as train

__all__ = ["prepare", "test", "train"]
