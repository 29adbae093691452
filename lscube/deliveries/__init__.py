"""What is handed over of a map: opens the scenes and models that `products` needs. And a map made again."""

from lscube.deliveries.adapting import adapt as adapt
from lscube.deliveries.again import AtHand as AtHand
from lscube.deliveries.again import reproduce as reproduce
from lscube.deliveries.everything import Delivered as Delivered
from lscube.deliveries.everything import deliver as deliver
from lscube.deliveries.inputs import current_inputs as current_inputs
from lscube.deliveries.publishing import publish as publish

__all__ = [
    "AtHand",
    "Delivered",
    "adapt",
    "current_inputs",
    "deliver",
    "publish",
    "reproduce",
]
