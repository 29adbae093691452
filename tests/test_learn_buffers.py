"""Memory is used again when, and only when, nothing looks at it any more."""

import gc

import numpy as np

from lscube.learn.buffers import ALIGNMENT, Buffers


def test_memory_is_used_again_when_the_last_view_ends() -> None:
    buffers = Buffers()
    first = buffers.empty((2, 3), np.float32)
    address = first.ctypes.data
    view = first[1:, ::2].T
    del first
    gc.collect()
    other = buffers.empty((2, 3), np.float32)
    assert other.ctypes.data != address
    del view
    gc.collect()
    assert buffers.empty((3, 2), np.float32).ctypes.data == address


def test_arrays_are_writable_aligned_and_apart() -> None:
    buffers = Buffers()
    arrays = [buffers.empty((5, 7), np.uint8) for _ in range(4)]
    for number, array in enumerate(arrays):
        array[:] = number
        assert array.ctypes.data % ALIGNMENT == 0
    assert [set(array.ravel().tolist()) for array in arrays] == [{0}, {1}, {2}, {3}]


def test_a_tensor_keeps_its_values() -> None:
    import tensorflow as tf

    buffers = Buffers()

    def read(number: np.int64) -> np.ndarray:
        array = buffers.empty((64, 64), np.float32)
        array[:] = number
        return array

    found = tf.data.Dataset.range(50).map(
        lambda number: tf.numpy_function(read, [number], tf.float32), num_parallel_calls=2
    )
    tensors = list(found)
    assert all((tensor.numpy() == number).all() for number, tensor in enumerate(tensors))
