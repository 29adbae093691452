"""Making of the models that ship with lscube: patches of chips and twins in, a model with its card out."""

from lscube.shipping.appraisal import appraise as appraise
from lscube.shipping.appraisal import by_twin as by_twin
from lscube.shipping.appraisal import settle_card as settle_card
from lscube.shipping.sources import Twins as Twins
from lscube.shipping.sources import make_stock as make_stock
from lscube.shipping.writing import write_model as write_model

__all__ = ["Twins", "appraise", "by_twin", "make_stock", "settle_card", "write_model"]
