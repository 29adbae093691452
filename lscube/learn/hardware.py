"""What the machine offers: GPUs, low precision where it gains, threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lscube.learn.backend import keras

CPU_FLAGS = frozenset({"amx_bf16"})
"""Flags of processors that gain by bfloat16 in training.

`avx512_bf16` alone is not among them: it took 1.3 to 1.4 times as long as float32 (widths 0.25 and 0.5,
128 x 128 pixels, 2 cores of a Xeon with AVX512-BF16 and without AMX); `precision = "mixed"` uses it.
"""


def gpus() -> int:
    """Number of GPUs that Keras's backend sees."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return len(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return sum(device.platform == "gpu" for device in jax.devices())
    import torch

    return int(torch.cuda.device_count())


def choose_policy(setting: str, gpu_count: int, flags: frozenset[str]) -> str:
    """Name of the Keras policy for a setting.

    Parameters
    ----------
    setting
        "auto", "float32" or "mixed"; see `TrainSettings.precision`.
    gpu_count
        From `gpus`.
    flags
        Of the processor, from `processor_flags`.
    """
    if setting == "float32" or (setting == "auto" and not gpu_count and not flags & CPU_FLAGS):
        return "float32"
    return "mixed_float16" if gpu_count else "mixed_bfloat16"


def processor_flags(info: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Flags of this machine's processor; none where the system does not tell."""
    if not info.is_file():
        return frozenset()
    lines = info.read_text(encoding="utf-8").splitlines()
    first = next((line for line in lines if line.startswith("flags")), ":")
    return frozenset(first.partition(":")[2].split())


@contextmanager
def policy(name: str) -> Iterator[None]:
    """Make a policy the one that layers are made with."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def spread(devices: Sequence[str] | None = None) -> Iterator[int]:
    """Make models that train on several devices at once, and say on how many.

    Parameters
    ----------
    devices
        TensorFlow's names; default: all GPUs. With fewer than two, and on other backends, there is
        nothing to spread.
    """
    several = len(devices) if devices is not None else gpus()
    if several < 2 or keras.backend.backend() != "tensorflow":
        yield 1
        return
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(devices).scope():
        yield several


def worker_threads() -> int | None:
    """Threads of the Dask worker that this is; None elsewhere."""
    from distributed import get_worker

    try:
        return int(get_worker().state.nthreads)
    except ValueError:  # not on a worker
        return None


def share_threads() -> None:
    """Let the network use as many threads as its Dask worker has; elsewhere all that the machine has.

    Several workers on one machine would else each start a thread for every core. Without effect
    once TensorFlow has begun to compute in this process.
    """
    threads = worker_threads()
    if threads is None or keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
