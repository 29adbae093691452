"""Publishing a map and making a published one again: opens the scenes and models that `products` needs."""

from lscube.deliveries.again import AtHand as AtHand
from lscube.deliveries.again import reproduce as reproduce
from lscube.deliveries.inputs import current_inputs as current_inputs
from lscube.deliveries.publishing import publish as publish

__all__ = ["AtHand", "current_inputs", "publish", "reproduce"]
