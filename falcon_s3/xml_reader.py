"""S3's documents that are received, as plain values.

They are parsed by defusedxml, and anything but the document that S3's schema describes raises MalformedXML.
Rule: a document is received in any namespace or none, for clients send all of them. Rule: an element that would
change what a request means is never skipped; it is refused.

Element names are those of the S3 API reference, one page for each operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.sax import SAXException
from xml.sax.handler import ContentHandler

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import create_parser

from falcon_s3 import errors

# What DeleteObjects says of an object, in the order of ObjectIdentifier's fields.
OBJECT_FIELDS = ("Key", "VersionId", "ETag", "Size", "LastModifiedTime")
# As many as DeleteObjects takes in one request.
DELETE_OBJECTS = 1000

# No document that is received is nested deeper than a few levels; a tree that is costs memory to refuse later.
_DEPTH = 8


class ObjectIdentifier(NamedTuple):
    """One object of a DeleteObjects request; etag, size and modified are conditions, as they were sent."""

    key: str
    version_id: str | None = None
    etag: str | None = None
    size: str | None = None
    modified: str | None = None


class Deletion(NamedTuple):
    """A DeleteObjects request."""

    objects: list[ObjectIdentifier]
    quiet: bool


class AccessControl(NamedTuple):
    """A PutBucketAcl or PutObjectAcl request: IDs of users, "" for a group and whoever has none."""

    owner: str
    grants: frozenset[tuple[str, str]]  # a user and a permission


class Versioning(NamedTuple):
    """A PutBucketVersioning request."""

    status: str  # "Enabled" or "Suspended"
    mfa_delete: str  # "Enabled" or "Disabled"


def read_create_bucket(body: bytes) -> str | None:
    """The LocationConstraint of CreateBucket's body, which may be empty; raises MalformedXML, NotImplemented."""
    if not body:
        return None
    fields = read_fields(
        read_root(body, "CreateBucketConfiguration"), ("LocationConstraint",), refused=("Location", "Bucket", "Tags")
    )
    return fields.get("LocationConstraint") or None


def read_access_control(body: bytes) -> AccessControl:
    """PutBucketAcl's and PutObjectAcl's body; raises MalformedXML."""
    owner, grants = "", []
    for child in elements_in(read_root(body, "AccessControlPolicy")):
        if name_of(child) == "Owner":
            owner = read_fields(child, ("ID", "DisplayName")).get("ID", "")
        elif name_of(child) == "AccessControlList":
            grants += [_grant(each) for each in elements_in(child)]
        else:
            raise errors.MalformedXML
    return AccessControl(owner, frozenset(grants))


def read_versioning(body: bytes) -> Versioning:
    """PutBucketVersioning's body; raises MalformedXML, IllegalVersioningConfigurationException."""
    fields = read_fields(read_root(body, "VersioningConfiguration"), ("Status", "MfaDelete"))
    status = fields.get("Status", "")
    mfa_delete = fields.get("MfaDelete", "Disabled")
    if mfa_delete not in ("Enabled", "Disabled"):
        raise errors.MalformedXML
    if status not in ("Enabled", "Suspended"):
        raise errors.IllegalVersioningConfigurationException if not status else errors.MalformedXML
    return Versioning(status, mfa_delete)


def read_delete(body: bytes) -> Deletion:
    """DeleteObjects' body; raises MalformedXML, also for no object, an empty key or more than 1,000 objects."""
    root = read_root(body, "Delete")
    objects = []
    quiet = None
    for child in elements_in(root):
        name = name_of(child)
        if name == "Object":
            fields = read_fields(child, OBJECT_FIELDS, refused=())
            if not fields.get("Key"):
                raise errors.MalformedXML
            objects.append(ObjectIdentifier(*(fields.get(name) for name in OBJECT_FIELDS)))  # type: ignore[arg-type]
        elif name == "Quiet" and quiet is None:
            quiet = _boolean(child)
        else:
            raise errors.MalformedXML
    if not 0 < len(objects) <= DELETE_OBJECTS:
        raise errors.MalformedXML
    return Deletion(objects, bool(quiet))


class _Document(ContentHandler):
    """Builds the tree of a document, names with their prefixes, and gives up on one that is nested deeper than ours."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = TreeBuilder()
        self._depth = 0

    def startElement(self, name: str, attrs: object) -> None:  # noqa: N802  SAX names it
        self._depth += 1
        if self._depth > _DEPTH:
            raise errors.MalformedXML
        self.tree.start(name, {})

    def endElement(self, name: str) -> None:  # noqa: N802
        self._depth -= 1
        self.tree.end(name)

    def characters(self, content: str) -> None:
        self.tree.data(content)


def read_root(body: bytes, name: str) -> Element:
    """The root of a document, which must have that name; raises MalformedXML for whatever else `body` is."""
    # The parser must not resolve namespaces: it would write a long one out again for every name that is in it.
    parser = create_parser(forbid_dtd=True)
    document = _Document()
    parser.setContentHandler(document)
    try:
        parser.feed(body)
        parser.close()
    # LookupError and ValueError: the declared encoding is unknown, or not true.
    except (SAXException, DefusedXmlException, LookupError, ValueError) as ex:
        raise errors.MalformedXML from ex
    root = document.tree.close()
    if name_of(root) != name:
        raise errors.MalformedXML
    return root


def name_of(element: Element) -> str:
    """An element's name in whatever namespace."""
    return element.tag.rpartition(":")[2]


def elements_in(element: Element) -> list[Element]:
    """The elements in `element`; raises MalformedXML if there is text between them."""
    children = list(element)
    if any(text and not text.isspace() for text in (element.text, *(child.tail for child in children))):
        raise errors.MalformedXML
    return children


def read_fields(parent: Element, names: Sequence[str], refused: Sequence[str] = ()) -> dict[str, str]:
    """The texts in `parent` by element name, each at most once; raises MalformedXML, NotImplemented for `refused`."""
    fields: dict[str, str] = {}
    for child in elements_in(parent):
        name = name_of(child)
        if name in refused:
            raise errors.NotImplemented(f"The element {name} is not implemented.")
        if name not in names or name in fields or len(child):
            raise errors.MalformedXML
        fields[name] = child.text or ""
    return fields


def _grant(element: Element) -> tuple[str, str]:
    given = {name_of(each): each for each in elements_in(element)}
    if name_of(element) != "Grant" or given.keys() != {"Grantee", "Permission"}:
        raise errors.MalformedXML
    grantee = read_fields(given["Grantee"], ("ID", "DisplayName", "URI", "EmailAddress"))
    return grantee.get("ID", ""), given["Permission"].text or ""


def _boolean(element: Element) -> bool:
    text = (element.text or "").strip().lower()
    if len(element) or text not in ("true", "false", "1", "0"):
        raise errors.MalformedXML
    return text in ("true", "1")
