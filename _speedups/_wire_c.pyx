# cython: language_level=3, boundscheck=False, wraparound=False
"""The messages that carry the bytes of files over gRPC: the compiled twin of falcon_s3/_wire_py.py.

That module tells the format and what is left to the generated classes. A message is allocated at its length and
filled in place, so that the chunk is copied once and nothing else is.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcpy

from falcon_s3 import _wire_py

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

LENGTH_BYTES = _wire_py.LENGTH_BYTES

cdef int LONGEST = LENGTH_BYTES
cdef char FIRST = 0x0A
cdef char SECOND = 0x12
cdef char THIRD = 0x1A


cdef struct Field:
    Py_ssize_t start  # -1: it is not there
    Py_ssize_t end


def bytes_value(chunk):
    """The BytesValue of a chunk; of no bytes, an empty message."""
    check_bytes(chunk)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(chunk)
    if size == 0:
        return b""
    cdef bytes message = PyBytes_FromStringAndSize(NULL, head_size(size) + size)
    cdef char* at = put_head(PyBytes_AS_STRING(message), FIRST, size)
    memcpy(at, PyBytes_AS_STRING(chunk), size)
    return message


def value_of(message):
    """The value of a BytesValue. None: ask the generated class."""
    check_bytes(message)
    return value(PyBytes_AS_STRING(message), 0, PyBytes_GET_SIZE(message))


def add_file(str path not None, chunk):
    """The ModifyFileRequest that adds the chunk to the file. Raises UnicodeEncodeError for surrogates."""
    check_bytes(chunk)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(chunk)
    cdef Py_ssize_t name_size = 0
    cdef const char* name = PyUnicode_AsUTF8AndSize(path, &name_size)
    cdef Py_ssize_t raw_size = head_size(size) + size if size else 0
    cdef Py_ssize_t inside = head_size(raw_size) + raw_size
    if name_size:
        inside += head_size(name_size) + name_size
    cdef bytes message = PyBytes_FromStringAndSize(NULL, head_size(inside) + inside)
    cdef char* at = put_head(PyBytes_AS_STRING(message), SECOND, inside)
    if name_size:
        at = put_head(at, FIRST, name_size)
        memcpy(at, name, name_size)
        at += name_size
    at = put_head(at, THIRD, raw_size)
    if size:
        at = put_head(at, FIRST, size)
        memcpy(at, PyBytes_AS_STRING(chunk), size)
    return message


def added_file(message):
    """Path, datum and chunk of a ModifyFileRequest that adds bytes to a file. None: ask the generated class."""
    check_bytes(message)
    cdef const char* data = PyBytes_AS_STRING(message)
    cdef Py_ssize_t length = PyBytes_GET_SIZE(message)
    cdef Field name
    cdef Field datum
    cdef Field field = find(data, 0, length, SECOND)
    if field.end != length:
        return None
    name = find(data, field.start, length, FIRST)
    if name.start < 0:
        return None
    datum.start = datum.end = name.end
    if name.end < length and data[name.end] == SECOND:
        datum = find(data, name.end, length, SECOND)
    field = find(data, datum.end, length, THIRD)
    if field.end != length:
        return None
    chunk = value(data, field.start, length)
    if chunk is None:
        return None
    try:
        return text(data, name), text(data, datum), chunk
    except UnicodeDecodeError:
        return None


cdef int check_bytes(given) except -1:
    if not isinstance(given, bytes):
        raise TypeError(f"expected bytes, not {type(given).__name__}")
    return 0


cdef inline str text(const char* data, Field field):
    return PyUnicode_DecodeUTF8(data + field.start, field.end - field.start, NULL)


cdef inline Py_ssize_t head_size(Py_ssize_t length) noexcept:
    cdef Py_ssize_t size = 2
    while length > 0x7F:
        length >>= 7
        size += 1
    return size


cdef inline char* put_head(char* at, char tag, Py_ssize_t length) noexcept:
    """Write tag and length; the place behind them."""
    at[0] = tag
    at += 1
    while length > 0x7F:
        at[0] = <char> (length & 0x7F | 0x80)
        at += 1
        length >>= 7
    at[0] = <char> length
    return at + 1


cdef inline Field find(const char* data, Py_ssize_t at, Py_ssize_t length, char tag) noexcept:
    """The field that must be here; of start and end -1: it is not, or `at` is -1."""
    cdef Field field
    cdef Py_ssize_t size = 0
    cdef int position
    cdef unsigned char byte
    field.start = field.end = -1
    if at < 0 or at >= length or data[at] != tag:
        return field
    for position in range(LONGEST):
        at += 1
        if at == length:
            break
        byte = <unsigned char> data[at]
        size |= <Py_ssize_t> (byte & 0x7F) << 7 * position
        if byte < 0x80:
            if size <= length - at - 1:
                field.start = at + 1
                field.end = field.start + size
            break
    return field


cdef inline value(const char* data, Py_ssize_t at, Py_ssize_t length):
    """What a BytesValue holds that begins here and ends where the message does; None: it is more than that."""
    cdef Field field
    if at == length:
        return b""
    field = find(data, at, length, FIRST)
    if field.end != length:
        return None
    return PyBytes_FromStringAndSize(data + field.start, field.end - field.start)
