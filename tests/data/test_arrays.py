from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from cdim.data import arrays
from cdim.data.arrays import mat_array, read_mat, read_npz
from cdim.errors import DataError

NUMBERS = arrays_of.arrays(
    st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]),
    arrays_of.array_shapes(min_dims=2, max_dims=4, min_side=0, max_side=5),
)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,30}", fullmatch=True)


def mat(packed=False, **variables):
    stream = io.BytesIO()
    scipy.io.savemat(stream, variables, do_compression=packed)
    return stream.getvalue()


def npz(**variables):
    stream = io.BytesIO()
    np.savez_compressed(stream, **variables)
    return stream.getvalue()


def npy(shape, descr="|u1", data=b"", version=b"\x01\x00"):
    """An .npz of one array whose header says what it likes."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    size = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\x93NUMPY" + version + size + header + data)
    return stream.getvalue()


@given(st.dictionaries(NAMES, NUMBERS, max_size=3), st.booleans())
def test_matlab_files_are_read_as_scipy_reads_them(variables, packed):
    found = read_mat(mat(packed, **variables), "x.mat")
    theirs = scipy.io.loadmat(io.BytesIO(mat(packed, **variables)))
    assert found.keys() == variables.keys()
    for name, array in found.items():
        assert array.dtype == theirs[name].dtype
        assert np.array_equal(array, theirs[name], equal_nan=array.dtype.kind == "f")


def test_of_cells_and_text_the_shape_is_known():
    cells = np.empty((4, 1), object)
    cells[:] = [["a"], ["bc"], [1], [2.5]]
    found = read_mat(mat(One=cells, two="text", three={"x": 1}), "x.mat")
    assert {name: array.shape for name, array in found.items()} == {
        "One": (4, 1),
        "two": (1, 4),
        "three": (1, 1),
    }


WHOLE = mat(True, data=np.arange(60, dtype=np.uint8).reshape(3, 4, 5))
PLAIN = mat(False, data=np.arange(60, dtype=np.uint8).reshape(3, 4, 5))


@pytest.mark.parametrize("content", [WHOLE, PLAIN], ids=["packed", "plain"])
@given(changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4))
def test_a_changed_matlab_file_is_read_or_refused(content, changes):
    broken = bytearray(content)
    for place, value in changes:
        broken[place % len(broken)] = value
    try:
        read_mat(bytes(broken), "x.mat")
    except DataError as error:
        assert "x.mat" in str(error)  # noqa: PT017 - reading is as good


@pytest.mark.parametrize("content", [WHOLE, PLAIN], ids=["packed", "plain"])
def test_a_cut_matlab_file_is_refused(content):
    for end in range(0, len(content) - 8, 7):
        with pytest.raises(DataError, match=r"x\.mat|the key 'data'"):
            mat_array(content[:end], "data", "x.mat")


def matrix(shape, stored=b""):
    """A matrix of bytes that says to have a shape."""
    sizes = struct.pack(f"<{len(shape)}i", *shape)
    parts = [(6, struct.pack("<II", 9, 0)), (5, sizes), (1, b"data"), (2, stored)]
    body = b"".join(
        struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8) for kind, data in parts
    )
    return struct.pack("<II", 14, len(body)) + body


def test_sizes_that_a_file_does_not_hold_are_refused_before_memory_is_taken(monkeypatch):
    monkeypatch.setattr(arrays, "MOST", 2**20)
    header = PLAIN[:128]
    assert read_mat(header + matrix((2, 3), b"abcdef"), "x.mat")["data"].tolist() == [
        [*b"ace"],
        [*b"bdf"],
    ]
    bomb = zlib.compress(bytes(2**26))
    tracemalloc.start()
    for body in (
        matrix((2**20, 2**20)),
        matrix((-1, 2)),
        matrix((2,) * 33),
        matrix((2, 2), b"abc"),
        struct.pack("<II", 15, len(bomb)) + bomb,
    ):
        with pytest.raises(DataError, match=r"x\.mat"):
            read_mat(header + body, "x.mat")
    for content in (
        npy((2**40,)),
        npy((2**20, 0, 2**20), data=b"x"),
        npy((-3,)),
        npy((2**20 + 1,), data=bytes(2**20 + 1)),
        npz(a=np.zeros(2**20, np.uint8), b=np.zeros(2**20, np.uint8)),
        npy((3,), data=b"12"),
        npy((3,), data=b"1234"),
        npy((1,), "|O", b"x" * 8),
        npy((1,), "<M8[s]", b"x" * 8),
        npy((1,), data=b"x", version=b"\x03\x00"),
    ):
        with pytest.raises(DataError, match=r"x\.npz"):
            read_npz(content, "x.npz")
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


@given(
    st.dictionaries(
        NAMES,
        arrays_of.arrays(
            st.sampled_from(["?", "u1", "<i8", ">f4", "<U5", "|S3"]),
            arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
        ),
    )
)
def test_what_numpy_packed_is_read(variables):
    found = read_npz(npz(**variables), "x.npz")
    assert found.keys() == variables.keys()
    for name, array in variables.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4))
def test_a_changed_npz_is_read_or_refused(changes):
    broken = bytearray(PACKED)
    for place, value in changes:
        broken[place % len(broken)] = value
    try:
        read_npz(bytes(broken), "x.npz")
    except DataError as error:
        assert "x.npz" in str(error)  # noqa: PT017 - reading is as good


PACKED = npz(points=np.arange(40, dtype=np.float32).reshape(20, 2), keys=np.array(["a", "bb"]))
