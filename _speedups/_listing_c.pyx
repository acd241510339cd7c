# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The rows of a listing as XML, in one pass into one buffer: the compiled twin of falcon_s3/_listing_py.py.

That module tells the rules; the names, signatures and answers here are the same. A Buffer belongs to one call, so
that any number of threads may be in here at once.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.number cimport PyNumber_Index
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memchr, memcmp, memcpy

import re

cdef extern from "<string.h>" nogil:
    const void* memmem(const void* text, size_t length, const void* wanted, size_t width)

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
cdef unsigned long long LARGEST = 9223372036854775807
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


# The buffer of the last page, kept for the next: the C library gives blocks of this size back to the system, which has
# to clear each of their memory pages anew. Whoever takes it leaves nothing; the interpreter's lock is held all the time.
cdef char* spare = NULL
cdef Py_ssize_t spare_room = 0
cdef Py_ssize_t SPARE_MOST = 1 << 20


cdef void take_spare(Buffer* buffer) noexcept:
    global spare, spare_room
    buffer.data = spare
    buffer.room = spare_room
    buffer.length = 0
    spare = NULL
    spare_room = 0


cdef void leave_spare(Buffer* buffer) noexcept:
    global spare, spare_room
    if spare == NULL and buffer.room <= SPARE_MOST:
        spare = buffer.data
        spare_room = buffer.room
    else:
        PyMem_Free(buffer.data)
    buffer.data = NULL


cdef inline void put(Buffer* buffer, const char* piece, Py_ssize_t length) noexcept:
    """Append where `reserve` has made room; for nothing there may be no buffer yet."""
    if length:
        memcpy(buffer.data + buffer.length, piece, length)
        buffer.length += length


cdef int put_bytes(Buffer* buffer, bytes piece) except -1:
    reserve(buffer, len(piece))
    put(buffer, piece, len(piece))
    return 0


cdef bint is_plain(const unsigned char* text, Py_ssize_t length) noexcept:
    """Whether no byte but NUL may need work in XML text: one look at many texts that NUL separates.

    There is no early end and no table, so that compilers take many bytes at once.
    """
    cdef unsigned char byte, odd = 0
    cdef Py_ssize_t position
    for position in range(length):
        byte = text[position]
        odd |= <unsigned char> (<unsigned char> (byte - 1) < 0x1F) | <unsigned char> (byte == 34) | (
            <unsigned char> (byte == 38)) | <unsigned char> (byte == 60) | (
            <unsigned char> (byte == 62)) | <unsigned char> (byte == 0xEF)
    return not odd


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


cdef inline void put_two(char* place, unsigned int number) noexcept:
    """Write a number under 100 in two digits."""
    place[0] = <char> (48 + number // 10)
    place[1] = <char> (48 + number % 10)


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
    cdef unsigned int year
    cdef long long day_of_month = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    year = <unsigned int> (year_of_era + era * 400 + (1 if month <= 2 else 0))
    put_two(place, year // 100)
    put_two(place + 2, year % 100)
    place[4] = place[7] = c"-"
    put_two(place + 5, <unsigned int> month)
    put_two(place + 8, <unsigned int> day_of_month)


cdef inline void write_time(char* place, unsigned int milliseconds) noexcept:
    """The time of a day as THH:MM:SS.mmmZ."""
    cdef unsigned int seconds = milliseconds // 1000
    cdef unsigned int minutes = seconds // 60
    place[0] = c"T"
    put_two(place + 1, minutes // 60)
    place[3] = place[6] = c":"
    put_two(place + 4, minutes % 60)
    put_two(place + 7, seconds % 60)
    place[9] = c"."
    milliseconds %= 1000
    place[10] = <char> (48 + milliseconds // 100)
    put_two(place + 11, milliseconds % 100)
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


cdef struct Date:
    char text[24]
    long long day  # the one that is written in the text


cdef void put_date(Buffer* buffer, Date* date, long long modified_ms) noexcept:
    """Append a moment between FIRST_MS and LAST_MS. Room for 24 bytes is there. Files of a day are often together."""
    # C rounds towards zero: the count of days is made positive first.
    cdef long long day = (modified_ms - FIRST_MS) // DAY_MS + FIRST_MS // DAY_MS
    if day != date.day:
        write_day(date.text, day)
        date.day = day
    write_time(date.text + 10, <unsigned int> (modified_ms - day * DAY_MS))
    put(buffer, date.text, 24)


cdef int check_date(long long modified_ms) except -1:
    if not FIRST_MS <= modified_ms <= LAST_MS:
        raise OverflowError("a date is outside of the years 1 to 9999")
    return 0


cdef struct Row:
    const char* etag
    Py_ssize_t etag_length
    const char* path
    Py_ssize_t path_length
    long long size
    long long modified_ms


cdef const char* read_number(const char* place, const char* end, long long* number) except NULL:
    """Read a number and the space behind it; gives where that ends."""
    cdef bint negative = False
    cdef unsigned long long value = 0
    cdef const char* first
    if place < end and place[0] == c"-":
        negative = True
        place += 1
    first = place
    while place < end and c"0" <= place[0] <= c"9":
        value = value * 10 + <unsigned long long> (place[0] - c"0")  # 19 digits fit
        place += 1
        if place - first > 19:
            break
    if place == first or place - first > 19 or place == end or place[0] != c" ":
        raise ValueError("a packed entry does not begin with its size and time")
    if value > LARGEST + <unsigned long long> negative:
        raise OverflowError("a size or a time does not fit into 64 bits")
    # Negated as what it is, without a sign: the least number has no positive twin.
    number[0] = <long long> (0 - value) if negative else <long long> value
    return place + 1


cdef const char* split_row(const char* place, const char* end, Row* row) except NULL:
    """Find the two fields of the row that begins at `place`; gives where the next one begins, behind `end` for none."""
    cdef const char* mark = <const char*> memchr(place, 0, end - place)
    if mark == NULL:
        raise ValueError("a packed entry has no path")
    row.etag = place  # all that is known of it, until read_row
    row.etag_length = mark - place
    row.path = mark + 1
    mark = <const char*> memchr(row.path, 0, end - row.path)
    if mark == NULL:
        mark = end
    row.path_length = mark - row.path
    return mark + 1


cdef const char* read_row(const char* place, const char* end, Row* row) except NULL:
    """As split_row, and the first field read."""
    cdef const char* following = split_row(place, end, row)
    cdef const char* about_end = row.etag + row.etag_length
    row.etag = read_number(row.etag, about_end, &row.size)
    row.etag = read_number(row.etag, about_end, &row.modified_ms)
    row.etag_length = about_end - row.etag
    return following


cdef int put_packed(Buffer* files, Buffer* folders, bytes rows, bint url_encode, bytes tail) except -1:
    """The elements of packed entries."""
    cdef Date date
    cdef Row row = Row(NULL, 0, NULL, 0, 0, 0)
    cdef const char* place = rows
    cdef const char* end = place + len(rows)
    cdef Buffer* buffer
    cdef Py_ssize_t growth = 3 if url_encode else 6
    cdef bint plain = is_plain(<const unsigned char*> place, len(rows))
    date.day = FIRST_MS  # no day
    if place == end:
        return 0
    reserve(files, 4 * len(rows))  # what most pages need
    while place <= end:
        place = read_row(place, end, &row)
        buffer = folders if row.size < 0 else files
        # 1,024 bytes are more than all that is not from the row.
        reserve(buffer, growth * row.path_length + 6 * row.etag_length + 1024)
        if row.size < 0:
            put(buffer, b"<CommonPrefixes><Prefix>", 24)
        else:
            check_date(row.modified_ms)
            put(buffer, b"<Contents><Key>", 15)
        if url_encode:
            put_url_encoded(buffer, <const unsigned char*> row.path, row.path_length)
        elif plain:
            put(buffer, row.path, row.path_length)
        else:
            put_escaped(buffer, <const unsigned char*> row.path, row.path_length)
        if row.size < 0:
            put(buffer, b"</Prefix></CommonPrefixes>", 26)
            continue
        put(buffer, b"</Key><LastModified>", 20)
        put_date(buffer, &date, row.modified_ms)
        put(buffer, b"</LastModified><ETag>&quot;", 27)
        if plain:
            put(buffer, row.etag, row.etag_length)
        else:
            put_escaped(buffer, <const unsigned char*> row.etag, row.etag_length)
        put(buffer, b"&quot;</ETag><Size>", 19)
        put_number(buffer, row.size)
        put(buffer, b"</Size>", 7)
        put(buffer, tail, len(tail))
    return 0


cdef int put_entries(Buffer* files, Buffer* folders, entries, bint url_encode, bytes tail) except -1:
    """The elements of entries."""
    cdef Date date
    cdef long long modified_ms, size
    date.day = FIRST_MS  # no day
    for path, size_, etag, modified in entries:
        size = PyNumber_Index(size_)
        if size < 0:
            put_bytes(folders, b"<CommonPrefixes><Prefix>")
            put_text(folders, path, url_encode)
            put_bytes(folders, b"</Prefix></CommonPrefixes>")
            continue
        put_bytes(files, b"<Contents><Key>")
        put_text(files, path, url_encode)
        modified_ms = PyNumber_Index(modified)
        check_date(modified_ms)
        reserve(files, 128)
        put(files, b"</Key><LastModified>", 20)
        put_date(files, &date, modified_ms)
        put(files, b"</LastModified><ETag>&quot;", 27)
        put_text(files, etag, False)
        reserve(files, 64)
        put(files, b"&quot;</ETag><Size>", 19)
        put_number(files, size)
        put(files, b"</Size>", 7)
        put_bytes(files, tail)
    return 0


def contents_xml(entries, bint url_encode, bint owner):
    """The Contents elements of the files of a page, and after them the CommonPrefixes of its folders."""
    cdef Buffer files
    cdef Buffer folders = Buffer(NULL, 0, 0)
    cdef bytes tail = (OWNER if owner else b"") + b"<StorageClass>STANDARD</StorageClass></Contents>"
    take_spare(&files)
    try:
        if isinstance(entries, bytes):
            put_packed(&files, &folders, entries, url_encode, tail)
        else:
            put_entries(&files, &folders, entries, url_encode, tail)
        if folders.length:
            reserve(&files, folders.length)
            put(&files, folders.data, folders.length)
        return PyBytes_FromStringAndSize(files.data, files.length)
    finally:
        leave_spare(&files)
        PyMem_Free(folders.data)


def unpacked(bytes rows not None):
    """The path, size, etag and modified_ms of each of packed entries."""
    cdef Row row = Row(NULL, 0, NULL, 0, 0, 0)
    cdef const char* place = rows
    cdef const char* end = place + len(rows)
    cdef list found = []
    if place == end:
        return found
    while place <= end:
        place = read_row(place, end, &row)
        found.append((
            PyUnicode_DecodeUTF8(row.path, row.path_length, NULL),
            row.size,
            PyUnicode_DecodeUTF8(row.etag, row.etag_length, NULL),
            row.modified_ms,
        ))
    return found


def folded(bytes rows not None, Py_ssize_t prefix, bytes delimiter not None):
    """Packed entries, in which each folder stands for all that is in it; their number; the last row's folder."""
    cdef Row row = Row(NULL, 0, NULL, 0, 0, 0)
    cdef const char* begin = rows
    cdef const char* place = begin
    cdef const char* end = place + len(rows)
    cdef const char* mark = delimiter
    cdef Py_ssize_t width = len(delimiter)
    cdef Buffer shown = Buffer(NULL, 0, 0)
    cdef Py_ssize_t count = 0, folder_length = 0
    cdef const char* folder = NULL
    cdef const char* found
    if not width:
        raise ValueError("a folder needs a delimiter")
    if prefix < 0:
        raise ValueError("a prefix has no negative length")
    if place == end:
        return b"", 0, ""
    try:
        while place <= end:
            place = split_row(place, end, &row)
            if folder_length and row.path_length >= folder_length and not memcmp(row.path, folder, folder_length):
                continue
            found = NULL
            if row.path_length > prefix:
                found = <const char*> memmem(row.path + prefix, row.path_length - prefix, mark, width)
            # Room for a row as it is, or for a folder, which is no longer than its path; and for what is before it.
            reserve(&shown, row.etag_length + row.path_length + 16)
            if count:
                put(&shown, b"\0", 1)
            count += 1
            if found == NULL:
                folder_length = 0
                put(&shown, row.etag, row.etag_length)
                put(&shown, b"\0", 1)
                put(&shown, row.path, row.path_length)
            else:
                folder = row.path
                folder_length = found + width - row.path
                put(&shown, b"-1 0 \0", 6)
                put(&shown, folder, folder_length)
        return (
            PyBytes_FromStringAndSize(shown.data, shown.length),
            count,
            PyUnicode_DecodeUTF8(folder, folder_length, NULL) if folder_length else "",
        )
    finally:
        PyMem_Free(shown.data)
