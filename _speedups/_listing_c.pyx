# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The rows of a listing as XML, in one pass into one buffer: the compiled twin of falcon_s3/_listing_py.py.

That module tells the rules; the names, signatures and answers here are the same. A Buffer belongs to one call, so
that any number of threads may be in here at once.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.number cimport PyNumber_Index
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcpy

import re

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef const char* HEX = b"0123456789ABCDEF"
cdef const char* DIGITS = b"0123456789"
cdef bytes OWNER = (
    b"<Owner><ID>00000000000000000000000000000000</ID><DisplayName>pachyderm</DisplayName></Owner>"
)
# From 0001-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z.
cdef long long FIRST_MS = -62135596800000
cdef long long LAST_MS = 253402300799999
cdef long long DAY_MS = 86400000
cdef object SURROGATES = re.compile("[\ud800-\udfff]")

# What a byte needs in XML text: 0 nothing, 1 a reference, 2 replacement, 3 a look at the two bytes behind it.
cdef unsigned char XML_KIND[256]
# Whether a byte stands for itself under encoding-type=url.
cdef unsigned char URL_SAFE[256]


cdef void fill_tables() noexcept:
    cdef int byte
    for byte in range(256):
        XML_KIND[byte] = 2 if byte < 0x20 else 0
        URL_SAFE[byte] = (
            48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122
            or byte == 45 or byte == 46 or byte == 47 or byte == 95 or byte == 126
        )
    XML_KIND[9] = XML_KIND[10] = XML_KIND[13] = 1
    XML_KIND[34] = XML_KIND[38] = XML_KIND[60] = XML_KIND[62] = 1
    XML_KIND[0xEF] = 3


fill_tables()


cdef struct Buffer:
    char* data
    Py_ssize_t length
    Py_ssize_t room


cdef int reserve(Buffer* buffer, Py_ssize_t more) except -1:
    """Room for `more` bytes; it at least doubles, so that copying stays linear."""
    cdef Py_ssize_t wanted = buffer.length + more
    cdef char* moved
    if wanted <= buffer.room:
        return 0
    wanted = max(wanted, 2 * buffer.room)
    moved = <char*> PyMem_Realloc(buffer.data, wanted)
    if moved == NULL:
        raise MemoryError
    buffer.data = moved
    buffer.room = wanted
    return 0


cdef inline void put(Buffer* buffer, const char* piece, Py_ssize_t length) noexcept:
    """Append where `reserve` has made room; for nothing there may be no buffer yet."""
    if length:
        memcpy(buffer.data + buffer.length, piece, length)
        buffer.length += length


cdef int put_bytes(Buffer* buffer, bytes piece) except -1:
    reserve(buffer, len(piece))
    put(buffer, piece, len(piece))
    return 0


cdef void put_escaped(Buffer* buffer, const unsigned char* text, Py_ssize_t length) noexcept:
    """Append UTF-8 as XML text. Room for 6 bytes each is there."""
    cdef Py_ssize_t position = 0
    cdef Py_ssize_t plain = 0
    cdef unsigned char byte, kind
    while position < length:
        byte = text[position]
        kind = XML_KIND[byte]
        if kind == 0:
            position += 1
            continue
        if kind == 3 and not (
            position + 2 < length and text[position + 1] == 0xBF and text[position + 2] >= 0xBE
        ):
            position += 1
            continue
        put(buffer, <const char*> text + plain, position - plain)
        if byte == 38:
            put(buffer, b"&amp;", 5)
        elif byte == 60:
            put(buffer, b"&lt;", 4)
        elif byte == 62:
            put(buffer, b"&gt;", 4)
        elif byte == 34:
            put(buffer, b"&quot;", 6)
        elif byte == 9:
            put(buffer, b"&#9;", 4)
        elif byte == 10:
            put(buffer, b"&#10;", 5)
        elif byte == 13:
            put(buffer, b"&#13;", 5)
        else:
            put(buffer, b"\xef\xbf\xbd", 3)
        position += 3 if kind == 3 else 1
        plain = position
    put(buffer, <const char*> text + plain, length - plain)


cdef void put_url_encoded(Buffer* buffer, const unsigned char* text, Py_ssize_t length) noexcept:
    """Append UTF-8 percent-encoded. Room for 3 bytes each is there."""
    cdef Py_ssize_t position
    cdef unsigned char byte
    cdef char* end = buffer.data + buffer.length
    for position in range(length):
        byte = text[position]
        if URL_SAFE[byte]:
            end[0] = byte
            end += 1
        else:
            end[0] = c"%"
            end[1] = HEX[byte >> 4]
            end[2] = HEX[byte & 15]
            end += 3
    buffer.length = end - buffer.data


cdef int put_text(Buffer* buffer, object text, bint url_encode) except -1:
    cdef Py_ssize_t length
    cdef const char* utf8
    if not isinstance(text, str):
        raise TypeError(f"text must be str, not {type(text).__name__}")
    try:
        utf8 = PyUnicode_AsUTF8AndSize(text, &length)
    except UnicodeEncodeError:
        text = SURROGATES.sub("?" if url_encode else "\ufffd", text)
        utf8 = PyUnicode_AsUTF8AndSize(text, &length)
    if url_encode:
        reserve(buffer, 3 * length)
        put_url_encoded(buffer, <const unsigned char*> utf8, length)
    else:
        reserve(buffer, 6 * length)
        put_escaped(buffer, <const unsigned char*> utf8, length)
    return 0


cdef inline void put_digits(char* place, long long number, int width) noexcept:
    """Write `number` right-aligned in `width` digits."""
    while width:
        width -= 1
        place[width] = DIGITS[number % 10]
        number //= 10


cdef void put_number(Buffer* buffer, unsigned long long number) noexcept:
    """Append a number of up to 20 digits. Room is there."""
    cdef char digits[20]
    cdef int width = 0
    while True:
        width += 1
        digits[20 - width] = DIGITS[number % 10]
        number //= 10
        if number == 0:
            break
    put(buffer, digits + 20 - width, width)


cdef void write_day(char* place, long long day) noexcept:
    """The day since 1970-01-01 as YYYY-MM-DD, in the proleptic Gregorian calendar (H. Hinnant's algorithm).

    The count begins at 0000-03-01, and so no number here is negative.
    """
    cdef long long shifted = day + 719468
    cdef long long era = shifted // 146097
    cdef long long of_era = shifted - era * 146097
    cdef long long year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    cdef long long of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    cdef long long month = (5 * of_year + 2) // 153
    cdef long long day_of_month = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    put_digits(place, year_of_era + era * 400 + (1 if month <= 2 else 0), 4)
    place[4] = place[7] = c"-"
    put_digits(place + 5, month, 2)
    put_digits(place + 8, day_of_month, 2)


cdef void write_time(char* place, long long milliseconds) noexcept:
    """The time of a day as THH:MM:SS.mmmZ."""
    cdef long long seconds = milliseconds // 1000
    place[0] = c"T"
    put_digits(place + 1, seconds // 3600, 2)
    place[3] = place[6] = c":"
    put_digits(place + 4, seconds // 60 % 60, 2)
    put_digits(place + 7, seconds % 60, 2)
    place[9] = c"."
    put_digits(place + 10, milliseconds % 1000, 3)
    place[13] = c"Z"


cdef str text_of(Buffer* buffer):
    return PyUnicode_DecodeUTF8(buffer.data, buffer.length, NULL)


def escape(text):
    """`text` as the content of an XML element."""
    cdef Buffer buffer = Buffer(NULL, 0, 0)
    try:
        put_text(&buffer, text, False)
        return text_of(&buffer)
    finally:
        PyMem_Free(buffer.data)


def url_encoded(text):
    """`text` as encoding-type=url has it: UTF-8, every byte percent-encoded but A-Z a-z 0-9 - _ . ~ and /."""
    cdef Buffer buffer = Buffer(NULL, 0, 0)
    try:
        put_text(&buffer, text, True)
        return text_of(&buffer)
    finally:
        PyMem_Free(buffer.data)


def contents_xml(entries, bint url_encode, bint owner):
    """The Contents elements of the files of a page, and after them the CommonPrefixes of its folders."""
    cdef Buffer files = Buffer(NULL, 0, 0)
    cdef Buffer folders = Buffer(NULL, 0, 0)
    cdef char date[24]
    cdef long long day, day_written = FIRST_MS  # no day
    cdef long long modified_ms, size
    cdef bytes tail = (OWNER if owner else b"") + b"<StorageClass>STANDARD</StorageClass></Contents>"
    try:
        for path, size_, etag, modified in entries:
            size = PyNumber_Index(size_)
            if size < 0:
                put_bytes(&folders, b"<CommonPrefixes><Prefix>")
                put_text(&folders, path, url_encode)
                put_bytes(&folders, b"</Prefix></CommonPrefixes>")
                continue
            put_bytes(&files, b"<Contents><Key>")
            put_text(&files, path, url_encode)
            modified_ms = PyNumber_Index(modified)
            if not FIRST_MS <= modified_ms <= LAST_MS:
                raise OverflowError("a date is outside of the years 1 to 9999")
            # C rounds towards zero: the count of days is made positive first.
            day = (modified_ms - FIRST_MS) // DAY_MS + FIRST_MS // DAY_MS
            if day != day_written:
                write_day(date, day)
                day_written = day
            write_time(date + 10, modified_ms - day * DAY_MS)
            reserve(&files, 128)
            put(&files, b"</Key><LastModified>", 20)
            put(&files, date, 24)
            put(&files, b"</LastModified><ETag>&quot;", 27)
            put_text(&files, etag, False)
            reserve(&files, 64)
            put(&files, b"&quot;</ETag><Size>", 19)
            put_number(&files, size)
            put(&files, b"</Size>", 7)
            put_bytes(&files, tail)
        if folders.length:
            reserve(&files, folders.length)
            put(&files, folders.data, folders.length)
        return PyBytes_FromStringAndSize(files.data, files.length)
    finally:
        PyMem_Free(files.data)
        PyMem_Free(folders.data)
