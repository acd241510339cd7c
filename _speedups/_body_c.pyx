# cython: language_level=3, boundscheck=False, wraparound=False
"""The aws-chunked framing, decoded step by step: the compiled twin of falcon_s3/_body_py.py.

That module tells the rules; the events and errors here are the same. What is gained is the work for each frame,
which counts where a client signs small chunks.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr

from falcon_s3._body_py import CHUNK_SIZE, LINE_BYTES, TRAILER_BYTES, BodyEnd, ChunkEnd

cdef enum State:
    HEADER
    DATA
    DATA_END
    TRAILER
    DONE

cdef Py_ssize_t LONGEST_LINE = LINE_BYTES
cdef long long LONGEST_CHUNK = CHUNK_SIZE
cdef Py_ssize_t MOST_TRAILERS = TRAILER_BYTES


cdef class ChunkDecoder:
    """Feed it the framed bytes in order; every ValueError tells what is wrong with the framing."""

    cdef State state
    cdef bytes held
    cdef long long size, left
    cdef str signature
    cdef dict trailers
    cdef Py_ssize_t trailer_bytes
    cdef bint bare

    def __cinit__(self):
        self.state = HEADER
        self.held = b""
        self.signature = ""
        self.trailers = {}

    def __init__(self):
        """Takes no arguments; without this they would be ignored."""

    def feed(self, data):
        """The events that `data` completes. Raises ValueError."""
        if not isinstance(data, bytes):
            raise TypeError(f"data must be bytes, not {type(data).__name__}")
        cdef list events = []
        cdef Py_ssize_t position = 0
        cdef Py_ssize_t length = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t piece
        cdef const char* start = PyBytes_AS_STRING(data)
        cdef const char* end
        cdef bytes line
        while position < length:
            if self.state == DATA:
                piece = length - position
                if piece > self.left:
                    piece = self.left
                if piece == length:
                    events.append(data)  # all of it: no copy
                else:
                    events.append(PyBytes_FromStringAndSize(start + position, piece))
                position += piece
                self.left -= piece
                if self.left == 0:
                    self.state = DATA_END
                continue
            if self.state == DONE:
                raise ValueError("there are bytes behind the end of the chunked body")
            end = <const char*> memchr(start + position, c"\n", length - position)
            if end == NULL:
                self.hold(PyBytes_FromStringAndSize(start + position, length - position))
                break
            line = PyBytes_FromStringAndSize(start + position, end - start - position)
            if self.held:
                line = self.held + line
                self.held = b""
            position = end - start + 1
            if PyBytes_GET_SIZE(line) > LONGEST_LINE:
                raise ValueError("a line of the chunked body is too long")
            self.take_line(line, events)
        return events

    def finish(self):
        """The input has ended. Raises ValueError if the framing has not."""
        cdef list events
        if self.state == TRAILER and self.held.strip(b"\r"):
            self.take_trailer(self.held.rstrip(b"\r"))
        elif self.state != TRAILER and self.state != DONE:
            raise ValueError("the chunked body ends before its last chunk")
        events = [] if self.state == DONE else [BodyEnd(self.trailers)]
        self.state = DONE
        return events

    cdef int hold(self, bytes piece) except -1:
        self.held += piece
        if PyBytes_GET_SIZE(self.held) > LONGEST_LINE:
            raise ValueError("a line of the chunked body is too long")
        return 0

    cdef int take_line(self, bytes line, list events) except -1:
        cdef Py_ssize_t length = PyBytes_GET_SIZE(line)
        cdef bint returned = length > 0 and PyBytes_AS_STRING(line)[length - 1] == c"\r"
        if self.state == TRAILER:
            if length - returned:
                self.take_trailer(line[: length - returned])
                self.bare = not returned
            elif self.bare and returned:
                self.bare = False
            else:
                self.state = DONE
                events.append(BodyEnd(self.trailers))
            return 0
        if not returned:
            raise ValueError("a line of the chunked body does not end with CRLF")
        if self.state == DATA_END:
            if length > 1:
                raise ValueError("the data of a chunk is longer than it says")
            events.append(ChunkEnd(self.size, self.signature))
            self.state = HEADER
            return 0
        self.take_header(line, length - 1)
        if self.size == 0:
            events.append(ChunkEnd(0, self.signature))
        return 0

    cdef int take_header(self, bytes line, Py_ssize_t length) except -1:
        cdef const char* text = PyBytes_AS_STRING(line)
        cdef Py_ssize_t position = 0
        cdef unsigned long long size = 0
        cdef char digit
        while position < length and text[position] != c";":
            digit = text[position]
            if c"0" <= digit <= c"9":
                size = size * 16 + (digit - c"0")
            elif c"a" <= digit <= c"f":
                size = size * 16 + (digit - c"a" + 10)
            elif c"A" <= digit <= c"F":
                size = size * 16 + (digit - c"A" + 10)
            else:
                raise ValueError("the size of a chunk is not a hexadecimal number")
            position += 1
            if position > 16:
                raise ValueError("the size of a chunk is not a hexadecimal number")
        if position == 0:
            raise ValueError("the size of a chunk is not a hexadecimal number")
        if size > <unsigned long long> LONGEST_CHUNK:
            raise ValueError("a chunk is too long")
        self.size = self.left = size
        self.signature = line[position + 1 : length].removeprefix(b"chunk-signature=").decode("latin-1")
        self.state = DATA if size else TRAILER
        return 0

    cdef int take_trailer(self, bytes line) except -1:
        self.trailer_bytes += PyBytes_GET_SIZE(line)
        if self.trailer_bytes > MOST_TRAILERS:
            raise ValueError("the trailing headers are too long")
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise ValueError("a trailing header has no colon")
        self.trailers[name.strip().lower()] = value.strip()
        return 0
