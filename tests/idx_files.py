"""IDX files for the tests, written from the format's description."""

import gzip
import hashlib
import struct

import numpy as np

IDX_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array, code=None, shape=None):
    """An IDX file of `array`, written from the format's description."""
    name = array.dtype.str[1:]
    shape = array.shape if shape is None else shape
    header = bytes([0, 0, IDX_CODES[name] if code is None else code, len(shape)])
    return header + struct.pack(f">{len(shape)}I", *shape) + array.astype(f">{name}").tobytes()


def write_idx(path, array):
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_small_mnist(folder, spelling="-idx", zipped=True):
    """Three training and two test images of 2 × 2 pixels under MNIST's names."""
    parts = {
        "train-images-idx3-ubyte": np.arange(12, dtype=np.uint8).reshape(3, 2, 2) * 23,
        "train-labels-idx1-ubyte": np.array([2, 0, 1], np.uint8),
        "t10k-images-idx3-ubyte": np.full((2, 2, 2), 51, np.uint8),
        "t10k-labels-idx1-ubyte": np.array([1, 1], np.uint8),
    }
    for name, array in parts.items():
        write_idx(folder / (name.replace("-idx", spelling) + (".gz" if zipped else "")), array)


def checksums(folder):
    """The SHA-256 of the contents of every .gz file in the folder, by the name without .gz."""
    return {
        file.stem: hashlib.sha256(gzip.decompress(file.read_bytes())).hexdigest()
        for file in folder.glob("*.gz")
    }
