# cython: language_level=3, boundscheck=False, wraparound=False
"""The headers and the query of a request, read and in canonical form: the compiled twin of falcon_s3/_sign_py.py.

That module tells the rules; the names, signatures and answers here are the same. What is written goes into a buffer
that belongs to one call, so that any number of threads may be in here at once.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.unicode cimport PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from libc.stdlib cimport qsort
from libc.string cimport memchr, memcmp, memcpy, memset

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    bint PyUnicode_IS_ASCII(object text)
    Py_ssize_t PyUnicode_FindChar(object text, Py_UCS4 character, Py_ssize_t start, Py_ssize_t stop, int direction) except -2
    object PyUnicode_Substring(object text, Py_ssize_t start, Py_ssize_t stop)

cdef const char* HEX = b"0123456789ABCDEF"
# Whether a byte is unreserved (RFC 3986 section 2.3), and the value of a hexadecimal digit; -1: it is none.
cdef unsigned char UNRESERVED[256]
cdef signed char DIGIT[256]

# The names of headers by their variables, kept from one request to the next: few and short, because clients choose them.
cdef dict NAMES = {}
cdef Py_ssize_t KEPT_CHARACTERS = 64
cdef Py_ssize_t KEPT_NAMES = 512

# What a query without a link tells of one.
cdef tuple UNSIGNED = (None, "", None, "")

# Texts up to here need no memory but the stack's.
cdef enum:
    SHORT = 1024
    FEW = 32


cdef void fill_tables() noexcept:
    cdef int byte
    for byte in range(256):
        UNRESERVED[byte] = (
            48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122
            or byte == 45 or byte == 46 or byte == 95 or byte == 126
        )
        if 48 <= byte <= 57:
            DIGIT[byte] = byte - 48
        elif 65 <= byte <= 70:
            DIGIT[byte] = byte - 55
        elif 97 <= byte <= 102:
            DIGIT[byte] = byte - 87
        else:
            DIGIT[byte] = -1


fill_tables()


def headers_of(dict env not None):
    """The headers of a WSGI environment by lower-case name."""
    return headers_among(env, None)


cdef dict headers_among(dict env, known):
    """The headers; None if any is not among the `known` ones, where these are given."""
    cdef dict headers = {}
    cdef Py_ssize_t length
    cdef const char* text
    cdef str name
    for name, value in env.items():
        if name is None:
            raise TypeError("a variable is no text")
        if PyUnicode_IS_ASCII(name):
            text = PyUnicode_AsUTF8AndSize(name, &length)
            if length < 5 or memcmp(text, b"HTTP_", 5):
                continue
        elif not name.startswith("HTTP_"):
            continue
        lower = NAMES.get(name)
        if lower is None:
            lower = name[5:].replace("_", "-").lower()
            if len(name) <= KEPT_CHARACTERS and len(NAMES) < KEPT_NAMES:
                NAMES[name] = lower
        if known is not None and lower not in known:
            return None
        headers[lower] = value
    value = env.get("CONTENT_TYPE")
    if value:
        if known is not None and "content-type" not in known:
            return None
        headers["content-type"] = value
    value = env.get("CONTENT_LENGTH")
    if value:
        if known is not None and "content-length" not in known:
            return None
        headers["content-length"] = value
    return headers


def asked_of(dict env not None, known, tuple asking not None, parameters):
    """What a request asks for, its headers, and its link; None for one that says anything that is not known."""
    cdef str query = env["QUERY_STRING"]
    cdef dict headers
    cdef list question
    cdef list plain = []
    cdef tuple link = UNSIGNED
    if query is None:
        raise TypeError("the query is no text")
    if not PyUnicode_IS_ASCII(query):
        return None
    headers = headers_among(env, known)
    if headers is None:
        return None
    if query:
        link = canonical(query, True, None, parameters, plain)
        if link is None:
            return None
    question = [env["REQUEST_METHOD"], env["PATH_INFO"], "&".join(plain) if plain else ""]
    for name in asking:
        question.append(headers.get(name))
    return tuple(question), headers, link


def parse_query(str query not None):
    """The parameters of a query, decoded; the last of a repeated one counts. Raises UnicodeError for what is not UTF-8."""
    cdef dict found = {}
    cdef Py_ssize_t length
    cdef const char* position
    cdef const char* end
    cdef const char* stop
    cdef const char* equals
    cdef object latin
    if PyUnicode_IS_ASCII(query):
        position = PyUnicode_AsUTF8AndSize(query, &length)
    else:
        latin = query.encode("latin-1")
        position = latin
        length = len(latin)
    end = position + length
    while position < end:
        stop = <const char*> memchr(position, c"&", end - position)
        if stop == NULL:
            stop = end
        if stop > position:
            equals = <const char*> memchr(position, c"=", stop - position)
            if equals == NULL:
                found[decoded(position, stop)] = ""
            else:
                found[decoded(position, equals)] = decoded(equals + 1, stop)
        position = stop + 1
    return found


cdef str decoded(const char* start, const char* stop):
    """Percent-decoded, `+` as a space."""
    cdef const char* position = start
    cdef unsigned char byte
    while position < stop:
        byte = <unsigned char> position[0]
        if byte == c"%" or byte == c"+" or byte >= 0x80:
            return decoded_slowly(start, stop)
        position += 1
    return PyUnicode_DecodeASCII(start, stop - start, NULL)


cdef str decoded_slowly(const char* start, const char* stop):
    cdef char room[SHORT]
    cdef char* buffer = room
    cdef Py_ssize_t length = 0
    if stop - start > SHORT:
        buffer = <char*> PyMem_Malloc(stop - start)
        if buffer == NULL:
            raise MemoryError
    try:
        while start < stop:
            buffer[length] = next_byte(&start, stop)
            length += 1
        return PyUnicode_DecodeUTF8(buffer, length, NULL)
    finally:
        if buffer != room:
            PyMem_Free(buffer)


cdef inline unsigned char next_byte(const char** position, const char* stop) noexcept:
    """The byte that is written at the position, which moves behind it."""
    cdef const unsigned char* text = <const unsigned char*> position[0]
    cdef unsigned char byte = text[0]
    if byte == c"%":
        if stop - position[0] > 2 and DIGIT[text[1]] >= 0 and DIGIT[text[2]] >= 0:
            position[0] += 3
            return <unsigned char> (DIGIT[text[1]] * 16 + DIGIT[text[2]])
    elif byte == c"+":
        byte = c" "
    position[0] += 1
    return byte


def canonical_query(str query not None):
    """The query as it is signed. Raises UnicodeError for what UTF-8 cannot encode."""
    return canonical(query, False, None, None, None)[3]


def link_of(str query not None):
    """What the query of a signed link says, and what else of it is Amazon's."""
    cdef dict others = {}
    return canonical(query, True, others, None, None), others


cdef inline int field_of(const char* name, Py_ssize_t length) noexcept:
    """The place of a field among `FIELDS`; -1: it is none."""
    if length == 10:
        return 2 if memcmp(name, b"X-Amz-Date", 10) == 0 else -1
    if length == 13:
        return 3 if memcmp(name, b"X-Amz-Expires", 13) == 0 else -1
    if length == 15:
        if memcmp(name, b"X-Amz-Algorithm", 15) == 0:
            return 0
        return 5 if memcmp(name, b"X-Amz-Signature", 15) == 0 else -1
    if length == 16:
        return 1 if memcmp(name, b"X-Amz-Credential", 16) == 0 else -1
    if length == 19:
        return 4 if memcmp(name, b"X-Amz-SignedHeaders", 19) == 0 else -1
    if length == 20:
        return 6 if memcmp(name, b"X-Amz-Content-Sha256", 20) == 0 else -1
    return -1


# What is being written: at `room`, on the stack, as long as it is short.
cdef struct Text:
    char* start
    char* room
    Py_ssize_t length
    Py_ssize_t most


def canonical_request(str method not None, str path not None, str query not None, headers, str signed_headers not None, str payload not None):
    """What is hashed to be signed."""
    cdef char room[2 * SHORT]
    cdef Text text
    cdef Py_ssize_t begin = 0, stop, length = len(signed_headers)
    text.start = text.room = room
    text.length = 0
    text.most = sizeof(room)
    try:
        add(&text, method, c"\n")
        add_path(&text, path)
        add(&text, query, c"\n")
        while True:
            stop = PyUnicode_FindChar(signed_headers, c";", begin, length, 1)
            if stop < 0:
                stop = length
            name = signed_headers if stop - begin == length else PyUnicode_Substring(signed_headers, begin, stop)
            add(&text, name, c":")
            value = headers.get(name)
            if value is not None:
                add_value(&text, value)
            elif name == "expect":
                add(&text, "100-continue", c"\n")
            else:
                add(&text, "", c"\n")
            if stop == length:
                break
            begin = stop + 1
        add(&text, "", c"\n")
        add(&text, signed_headers, c"\n")
        add(&text, payload, c"\n")
        return PyBytes_FromStringAndSize(text.start, text.length - 1)
    finally:
        if text.start != text.room:
            PyMem_Free(text.start)


cdef char* more(Text* text, Py_ssize_t length) except NULL:
    """Where the next so many bytes go."""
    cdef Py_ssize_t most
    cdef char* longer
    if text.length + length > text.most:
        most = 2 * (text.length + length)
        longer = <char*> PyMem_Realloc(NULL if text.start == text.room else text.start, most)
        if longer == NULL:
            raise MemoryError
        if text.start == text.room:
            memcpy(longer, text.room, text.length)
        text.start = longer
        text.most = most
    return text.start + text.length


cdef int add(Text* text, str part, char end) except -1:
    cdef Py_ssize_t length
    cdef const char* start = PyUnicode_AsUTF8AndSize(part, &length)
    cdef char* written = more(text, length + 1)
    memcpy(written, start, length)
    written[length] = end
    text.length += length + 1
    return 0


cdef int add_value(Text* text, str value) except -1:
    """Without what is white at its ends, and one space for many."""
    cdef Py_ssize_t length
    cdef const char* position
    cdef const char* stop
    cdef char* written
    cdef char last = 0
    if not PyUnicode_IS_ASCII(value):
        value = value.strip()
    position = PyUnicode_AsUTF8AndSize(value, &length)
    stop = position + length
    while position < stop and is_white(position[0]):
        position += 1
    while position < stop and is_white((stop - 1)[0]):
        stop -= 1
    written = more(text, stop - position + 1)
    while position < stop:
        if position[0] != c" " or last != c" ":
            written[0] = position[0]
            written += 1
        last = position[0]
        position += 1
    written[0] = c"\n"
    text.length = written + 1 - text.start
    return 0


cdef inline bint is_white(char byte) noexcept:
    """In ASCII, as Python has it."""
    return byte == c" " or 9 <= byte <= 13 or 28 <= byte <= 31


cdef int add_path(Text* text, str path) except -1:
    cdef Py_ssize_t length
    cdef const char* position = PyUnicode_AsUTF8AndSize(path, &length)
    cdef const char* end = position + length
    cdef char* written = more(text, 3 * length + 1)
    cdef unsigned char byte
    while position < end:
        byte = <unsigned char> position[0]
        if UNRESERVED[byte] or byte == c"/":
            written[0] = byte
            written += 1
        else:
            written[0] = c"%"
            written[1] = HEX[byte >> 4]
            written[2] = HEX[byte & 15]
            written += 3
        position += 1
    written[0] = c"\n"
    text.length = written + 1 - text.start
    return 0


def claims_of(str query not None):
    """What the query claims to carry, as bits."""
    cdef Py_ssize_t length
    cdef const char* position
    cdef const char* end
    cdef const char* stop
    cdef const char* equals
    cdef object raw
    cdef int claims = 0
    if PyUnicode_IS_ASCII(query):
        position = PyUnicode_AsUTF8AndSize(query, &length)
    else:
        raw = query.encode("utf-8", "surrogatepass")
        position = raw
        length = len(raw)
    end = position + length
    while position < end:
        stop = <const char*> memchr(position, c"&", end - position)
        if stop == NULL:
            stop = end
        equals = <const char*> memchr(position, c"=", stop - position)
        if equals != NULL:
            claims |= claim(position, equals - position)
        position = stop + 1
    return claims


cdef inline int claim(const char* name, Py_ssize_t length) noexcept:
    if length == 9:
        return 2 if memcmp(name, b"Signature", 9) == 0 else 0
    if length == 14:
        return 2 if memcmp(name, b"AWSAccessKeyId", 14) == 0 else 0
    if length == 15:
        return 1 if memcmp(name, b"X-Amz-Signature", 15) == 0 or memcmp(name, b"X-Amz-Algorithm", 15) == 0 else 0
    return 4 if length == 20 and is_session_token(name) else 0


cdef inline bint is_session_token(const char* name) noexcept:
    cdef const char* wanted = b"x-amz-security-token"
    cdef int number
    cdef unsigned char byte
    for number in range(20):
        byte = <unsigned char> name[number]
        if 65 <= byte <= 90:
            byte |= 32
        if byte != <unsigned char> wanted[number]:
            return False
    return True


cdef struct Pair:
    const char* name
    Py_ssize_t name_length
    const char* value
    Py_ssize_t value_length


cdef int compare(const void* one, const void* other) noexcept nogil:
    cdef const Pair* left = <const Pair*> one
    cdef const Pair* right = <const Pair*> other
    cdef int order = compare_texts(left.name, left.name_length, right.name, right.name_length)
    return order if order else compare_texts(left.value, left.value_length, right.value, right.value_length)


cdef inline int compare_texts(const char* one, Py_ssize_t length, const char* other, Py_ssize_t length2) noexcept nogil:
    cdef int order = memcmp(one, other, min(length, length2))
    if order:
        return order
    return (length > length2) - (length < length2)


cdef tuple canonical(str query, bint linked, dict others, parameters, list plain):
    """What `link_of` tells. Without `linked` nothing is taken for part of a link.

    With `parameters` those go to `plain`, as they are written; None if there is any but those and what signs a link.
    """
    cdef Py_ssize_t length, many = 1
    cdef const char* start = PyUnicode_AsUTF8AndSize(query, &length)
    cdef const char* position = start
    cdef const char* end = start + length
    cdef char room[4 * SHORT]
    cdef Pair few[FEW]
    cdef char* buffer = room
    cdef Pair* pairs = few
    while position < end:
        many += position[0] == c"&"
        position += 1
    try:
        # No byte becomes more than three; and all of it once more, joined.
        if 6 * length + 2 * many > 4 * SHORT:
            buffer = <char*> PyMem_Malloc(6 * length + 2 * many)
        if many > FEW:
            pairs = <Pair*> PyMem_Malloc(many * sizeof(Pair))
        if buffer == NULL or pairs == NULL:
            raise MemoryError
        return canonical_in(start, end, linked, others, parameters, plain, buffer, pairs)
    finally:
        if buffer != room:
            PyMem_Free(buffer)
        if pairs != few:
            PyMem_Free(pairs)


cdef tuple canonical_in(
    const char* start, const char* end, bint linked, dict others, parameters, list plain, char* buffer, Pair* pairs
):
    cdef const char* position = start
    cdef const char* stop
    cdef const char* equals
    cdef const char* value
    cdef char* written = buffer
    cdef char* joined
    cdef Py_ssize_t count = 0, number
    cdef Pair* pair
    cdef Pair fields[7]
    cdef bint sorted_ = True, signed = False
    cdef int field
    cdef str name
    memset(fields, 0, sizeof(fields))
    while position < end or (parameters is not None and position == end):
        stop = <const char*> memchr(position, c"&", end - position)
        if stop == NULL:
            stop = end
        equals = <const char*> memchr(position, c"=", stop - position)
        if equals == NULL:
            equals = value = stop
        else:
            value = equals + 1
        field = field_of(position, equals - position) if linked else -1
        if field >= 0:
            signed = True
            fields[field].value = value
            fields[field].value_length = stop - value
            if field == 5:
                position = stop + 1
                continue
        elif parameters is not None:
            name = PyUnicode_DecodeASCII(position, equals - position, NULL)
            if name not in parameters:
                return None
            plain.append(PyUnicode_DecodeASCII(position, stop - position, NULL))
        elif others is not None and is_amazon(position, equals):
            name = PyUnicode_DecodeUTF8(position, equals - position, NULL)
            others[name] = PyUnicode_DecodeUTF8(value, stop - value, NULL)
        if stop > position:
            pair = &pairs[count]
            pair.name = written
            written = encode(position, equals, written)
            pair.name_length = written - pair.name
            pair.value = written
            written = encode(value, stop, written)
            pair.value_length = written - pair.value
            if count and sorted_:
                sorted_ = compare(&pairs[count - 1], pair) <= 0
            count += 1
        position = stop + 1
    if not sorted_:
        qsort(pairs, count, sizeof(Pair), compare)
    joined = written
    for number in range(count):
        pair = &pairs[number]
        if number:
            joined[0] = c"&"
            joined += 1
        memcpy(joined, pair.name, pair.name_length)
        joined += pair.name_length
        joined[0] = c"="
        joined += 1
        memcpy(joined, pair.value, pair.value_length)
        joined += pair.value_length
    query = PyUnicode_DecodeASCII(written, joined - written, NULL)
    if not signed:
        return None, "", None, query
    written = buffer  # which holds five fields once more: it has three bytes for each of theirs
    for number in range(5):
        if fields[number].value_length:
            memcpy(written, fields[number].value, fields[number].value_length)
            written += fields[number].value_length
        written[0] = c"&"
        written += 1
    return (
        PyUnicode_DecodeUTF8(buffer, written - 1 - buffer, NULL),
        text_of(&fields[5], ""),
        text_of(&fields[6], None),
        query,
    )


cdef object text_of(const Pair* pair, object otherwise):
    if pair.value == NULL:
        return otherwise
    return PyUnicode_DecodeUTF8(pair.value, pair.value_length, NULL)


cdef inline bint is_amazon(const char* name, const char* stop) noexcept:
    """Whether a name begins with x-amz- in any case."""
    return (
        stop - name >= 6
        and (name[0] | 32) == c"x" and name[1] == c"-"
        and (name[2] | 32) == c"a" and (name[3] | 32) == c"m" and (name[4] | 32) == c"z" and name[5] == c"-"
    )


cdef inline char* encode(const char* position, const char* stop, char* written) noexcept:
    """Write [position, stop) decoded and encoded again; gives where the writing ends."""
    cdef unsigned char byte
    while position < stop:
        byte = <unsigned char> position[0]
        if UNRESERVED[byte]:
            written[0] = byte
            written += 1
            position += 1
            continue
        byte = next_byte(&position, stop)
        if UNRESERVED[byte]:
            written[0] = byte
            written += 1
        else:
            written[0] = c"%"
            written[1] = HEX[byte >> 4]
            written[2] = HEX[byte & 15]
            written += 3
    return written
