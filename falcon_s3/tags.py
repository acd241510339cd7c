"""The tags of an object: as the header x-amz-tagging has them, as documents, and their limits.

Source: S3 user guide, "Categorizing your objects using tags": at most 10, keys of up to 128 characters and values of
up to 256, no key twice, `aws:` is not for users; letters, numbers, spaces and a few signs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode

from falcon_s3 import errors, xml, xml_reader

# The attribute under which an object's tags are kept, in the form of the header of that name.
ATTRIBUTE = "x-amz-tagging"
MOST, KEY_LENGTH, VALUE_LENGTH = 10, 128, 256
ALLOWED = (
    f"a key has 1 to {KEY_LENGTH} characters and a value up to {VALUE_LENGTH}, of letters, numbers, spaces and"
    " + - = . _ : / @"
)

# What a tag may be made of: these, and all letters, numbers and spaces of Unicode, by the first letter of a category.
_SIGNS, _CATEGORIES = frozenset("+-=._:/@"), frozenset("LNZ")

Tags = dict[str, str]


def of_header(text: str) -> Tags:
    """The tags in a header, which is a query string; a name alone has an empty value. Raises InvalidArgument, InvalidTag.

    A name that is empty, or there twice, is an InvalidArgument here, as on S3; in a document it is an InvalidTag.
    """
    if not text:
        return {}
    try:
        text.encode("ascii")  # all else is encoded
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=1000)
        if len({name for name, _ in pairs} - {""}) < len(pairs):
            raise ValueError
    except ValueError as ex:
        raise errors.InvalidArgument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag"
            " name duplicates.",
            fields={"ArgumentName": "x-amz-tagging", "ArgumentValue": text},
        ) from ex
    return checked(pairs)


def header_of(tags: Mapping[str, str]) -> str:
    return urlencode(tags)


def of_attributes(attributes: Mapping[str, str]) -> Tags:
    """The tags that an object has."""
    return dict(parse_qsl(attributes.get(ATTRIBUTE, ""), keep_blank_values=True))


def checked(pairs: Iterable[tuple[str, str]]) -> Tags:
    """Tags from keys and values, in the order of keys; raises InvalidTag for what breaks a limit."""
    found: Tags = {}
    for key, value in pairs:
        if key in found:
            raise errors.InvalidTag("Cannot provide multiple Tags with the same key", fields={"TagKey": key})
        if key.lower().startswith("aws:"):
            raise errors.InvalidTag("Your TagKey cannot be prefixed with aws:", fields={"TagKey": key})
        if not 0 < len(key) <= KEY_LENGTH or not _is_allowed(key):
            raise errors.InvalidTag(f"The TagKey you have provided is invalid: {ALLOWED}", fields={"TagKey": key})
        if len(value) > VALUE_LENGTH or not _is_allowed(value):
            raise errors.InvalidTag(
                f"The TagValue you have provided is invalid: {ALLOWED}", fields={"TagKey": key, "TagValue": value}
            )
        found[key] = value
    if len(found) > MOST:
        raise errors.InvalidTag("Object tags cannot be greater than 10")
    return dict(sorted(found.items()))


def _is_allowed(text: str) -> bool:
    return all(each in _SIGNS or unicodedata.category(each)[0] in _CATEGORIES for each in text)


def read_tagging(body: bytes) -> Tags:
    """PutObjectTagging's body. Raises MalformedXML, InvalidTag."""
    pairs = []
    for child in xml_reader.elements_in(xml_reader.read_root(body, "Tagging")):
        if xml_reader.name_of(child) != "TagSet":
            raise errors.MalformedXML
        for tag in xml_reader.elements_in(child):
            fields = xml_reader.read_fields(tag, ("Key", "Value"))
            if xml_reader.name_of(tag) != "Tag" or len(fields) != 2:
                raise errors.MalformedXML
            pairs.append((fields["Key"], fields["Value"]))
    return checked(pairs)


def tagging(tags: Mapping[str, str]) -> bytes:
    """GetObjectTagging's answer."""
    rows = "".join(f"<Tag>{xml.element('Key', key)}{xml.element('Value', value)}</Tag>" for key, value in tags.items())
    return xml.document("Tagging", f"<TagSet>{rows}</TagSet>")
