"""The residual, deeply supervised U-Net.

Prakash, N., Manconi, A., Loew, S. (2021): Mapping landslides with a generalized convolutional
neural network. Sci. Rep. 11, supplementary figure 2. At width 1 it has 20,775,893 parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lscube.learn.backend import keras
from lscube.learn.layers import Binomial, Reflectance, Topography
from lscube.settings import TrainSettings

OUTPUTS = ("main", "deep_2", "deep_4", "deep_8", "deep_16")
"""Names of the outputs: the main one, then those of deep supervision by their scale."""
BRANCH_FILTERS = {"pre": 24, "post": 24, "topography": 16}
"""Filters of each input's own stem and full-resolution stage."""

NORM_MOMENTUM = 0.9
"""Of the moving statistics, the paper gives no value: Keras's 0.99 needs hundreds of steps to settle."""

_layers = keras.layers


@dataclass(frozen=True)
class _Builder:
    """Writes blocks and stages of one width."""

    width: float
    """Scales all filters."""
    l2: float
    """L2 regularisation of the kernels."""

    def filters(self, count: int) -> int:
        """Number of filters at this width, at least 1."""
        return max(1, round(count * self.width))

    def conv(self, x: Any, filters: int, size: int, stride: int, name: str) -> Any:
        """Convolution with bias, then batch normalisation."""
        x = _layers.Conv2D(
            self.filters(filters),
            size,
            strides=stride,
            padding="same",
            kernel_initializer="he_normal",
            kernel_regularizer=keras.regularizers.L2(self.l2) if self.l2 else None,
            name=f"{name}_conv",
        )(x)
        return _layers.BatchNormalization(momentum=NORM_MOMENTUM, name=f"{name}_norm")(x)

    def block(self, x: Any, filters: int, stride: int, project: bool, name: str) -> Any:
        """Two 3x3 convolutions around which a shortcut leads."""
        shortcut = self.conv(x, filters, 3, stride, f"{name}_shortcut") if project else x
        x = self.conv(x, filters, 3, stride, f"{name}_a")
        x = _layers.ReLU(name=f"{name}_a_relu")(x)
        x = self.conv(x, filters, 3, 1, f"{name}_b")
        x = _layers.Add(name=f"{name}_add")([x, shortcut])
        return _layers.ReLU(name=f"{name}_relu")(x)

    def stage(self, x: Any, filters: int, blocks: int, stride: int, name: str) -> Any:
        """Blocks in a row; the first has the stride and a projection shortcut."""
        for i in range(blocks):
            x = self.block(x, filters, stride if i == 0 else 1, i == 0, f"{name}_{i}")
        return x

    def stem(self, x: Any, filters: int, name: str) -> Any:
        """7x7 convolution to half resolution."""
        return _layers.ReLU(name=f"{name}_relu")(self.conv(x, filters, 7, 2, name))


def build_network(
    pre_bands: int, post_bands: int, resolution: float, settings: TrainSettings
) -> Any:
    """Build the network for some branches, their bands and one resolution.

    Parameters
    ----------
    pre_bands, post_bands
        Number of bands of `pre` and of `post`.
    resolution
        Pixel size in metres; belongs to the slope.
    settings
        `branches`, `width`, `dropout` and `l2` are used.

    Returns
    -------
    keras.Model
        Inputs: a dict with, for each branch, `pre` (n, y, x, pre_bands) and `post`
        (n, y, x, post_bands), reflectance, or `elevation`, metres (n, y, x, 1), all float32 with
        NaN where unknown; y and x are multiples of 32. Outputs: five probabilities (n, y, x, 1),
        float32, named as in `OUTPUTS`.
    """
    build = _Builder(settings.width, settings.l2)
    first: dict[str, tuple[str, int, Any]] = {
        "pre": ("pre", pre_bands, Reflectance(name="normalise_pre")),
        "post": ("post", post_bands, Reflectance(name="normalise_post")),
        "topography": ("elevation", 1, Topography(resolution, name="normalise_topography")),
    }
    inputs: dict[str, Any] = {}
    branches: dict[str, Any] = {}
    for branch in settings.branches:
        name, channels, layer = first[branch]
        inputs[name] = keras.Input((None, None, channels), name=name, dtype="float32")
        branches[branch] = layer(inputs[name])
    skips = _encode(build, branches, settings.dropout)
    outputs = _decode(build, skips, settings.dropout)
    return keras.Model(inputs, outputs, name="lscube_unet")


def _encode(build: _Builder, branches: dict[str, Any], dropout: float) -> list[Any]:
    """Features at 1/1, 1/2, 1/4, 1/8, 1/16 and 1/32."""
    full = [
        build.stage(x, BRANCH_FILTERS[name], 3, 1, f"full_{name}") for name, x in branches.items()
    ]
    half = [build.stem(x, BRANCH_FILTERS[name], f"stem_{name}") for name, x in branches.items()]
    s0 = full[0] if len(full) == 1 else _layers.Concatenate(name="s0")(full)
    s1 = half[0] if len(half) == 1 else _layers.Concatenate(name="s1")(half)
    x = _layers.MaxPooling2D(3, strides=2, padding="same", name="pool")(s1)
    s2 = build.stage(x, 64, 3, 1, "encode_4")
    s3 = build.stage(s2, 128, 4, 2, "encode_8")
    s4 = build.stage(s3, 256, 6, 2, "encode_16")
    x = _layers.Dropout(dropout, name="dropout_16")(s4)
    return [s0, s1, s2, s3, s4, build.stage(x, 256, 3, 2, "encode_32")]


def _decode(build: _Builder, skips: list[Any], dropout: float) -> list[Any]:
    """Probabilities, the main output first, then from 1/2 to 1/16."""
    *skips, x = skips
    outputs = []
    for level, filters in zip((4, 3, 2, 1, 0), (256, 128, 64, 64, 64), strict=True):
        scale = 2**level
        x = _layers.UpSampling2D(2, name=f"up_{scale}")(x)
        x = _layers.Concatenate(name=f"join_{scale}")([x, skips[level]])
        x = build.stage(x, filters, 3, 1, f"decode_{scale}")
        if level:
            outputs.append(_head(x, scale, f"deep_{scale}"))
    x = _layers.SpatialDropout2D(dropout, name="dropout_1")(x)
    return [_head(x, 1, "main"), *reversed(outputs)]


def _head(x: Any, scale: int, name: str) -> Any:
    """Probability at full size, in float32."""
    x = _layers.Conv2D(1, 1, dtype="float32", name=f"{name}_logit")(x)
    if scale > 1:
        x = _layers.UpSampling2D(
            scale, interpolation="bilinear", dtype="float32", name=f"{name}_resize"
        )(x)
    return _layers.Activation("sigmoid", dtype="float32", name=name)(x)


def main_only(model: Any) -> Any:
    """Leave the heads of deep supervision out; inputs and weights are shared."""
    inputs = {tensor.name: tensor for tensor in model.inputs}
    return keras.Model(inputs, model.outputs[0], name=f"{model.name}_main")


def stopped_at_half(model: Any) -> Any:
    """A network that ends with "deep_2": at full resolution nothing is computed but its enlargement.

    That is written as nearest neighbours and a binomial filter, which is bilinear interpolation for a factor
    of 2: the layer that does it in training cannot be exported for images of any size.
    """
    inputs = {tensor.name: tensor for tensor in model.inputs}
    x = model.get_layer("deep_2_logit").output
    x = _layers.UpSampling2D(2, dtype="float32", name="deep_2_nearest")(x)
    x = Binomial(name="deep_2_smooth")(x)
    output = _layers.Activation("sigmoid", dtype="float32", name="deep_2")(x)
    return keras.Model(inputs, output, name=f"{model.name}_half")
