"""XML that clients send: any bytes are read, or refused as what they are."""

from __future__ import annotations

from hypothesis import strategies as st

from falcon_s3 import errors, multipart, tags, xml_reader
from tests.fuzz.examples import fuzz, mutated, repeated

NAMESPACE = b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
# Every reader, with documents that it reads.
READERS = {
    xml_reader.read_delete: [
        b"<Delete" + NAMESPACE + b"><Object><Key>a</Key></Object><Quiet>true</Quiet></Delete>",
        b"<Delete><Object><Key>a</Key><VersionId>v</VersionId><ETag>e</ETag><Size>1</Size></Object></Delete>",
        b'<?xml version="1.0" encoding="UTF-8"?><Delete><Object><Key>&lt;\xc3\xbc&#x1F600;</Key></Object></Delete>',
        "<Delete><Object><Key>ü</Key></Object></Delete>".encode("utf-16"),
        b'<?xml version="1.0" encoding="latin-1"?><Delete><Object><Key>\xfc</Key></Object></Delete>',
    ],
    xml_reader.read_create_bucket: [
        b"<CreateBucketConfiguration" + NAMESPACE + b"><LocationConstraint>eu</LocationConstraint>"
        b"</CreateBucketConfiguration>",
        b'<CreateBucketConfiguration xmlns:s="s"><s:LocationConstraint/></CreateBucketConfiguration>',
    ],
    multipart.read_complete: [
        b"<CompleteMultipartUpload" + NAMESPACE + b"><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>"
        b"<Part><PartNumber>2</PartNumber><ETag>b</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>"
        b"</CompleteMultipartUpload>",
    ],
    tags.read_tagging: [
        b"<Tagging" + NAMESPACE + b"><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
    ],
}
DOCUMENTS = [each for documents in READERS.values() for each in documents]
PIECES = [b"<", b">", b"/", b"/>", b"</", b"&", b"&#0;", b"&#xD800;", b"&lt;", b"&x;", b"\0", b"\xff", b"\xef\xbb\xbf"]
PIECES += [
    b"<a>",
    b"</a>",
    b"<a/>",
    b"<Object>",
    b"<Key>",
    b"</Key>",
    b"<Key/>",
    b"x",
    b" ",
    b"\n",
    b"<!---->",
    b"<?p?>",
]
PIECES += [b"<![CDATA[x]]>", b'<!DOCTYPE d [<!ENTITY x "y">]>', b'<!DOCTYPE d SYSTEM "file:///etc/passwd">']
PIECES += [b' xmlns="u"', b' xmlns:p="u"', b' p:a=""', b"<p:Key>", b'<?xml version="1.1"?>', b' encoding="utf-7"']
PIECES += [b"<Part>", b"</Part>", b"<PartNumber>9</PartNumber>", b"<TagSet>", b"<Tag>", b"</Tag>", "²".encode()]
PIECES += [b"<Quiet>1</Quiet>", b"<Delete>", b"</Delete>", b"<CreateBucketConfiguration>", b"<LocationConstraint/>"]


def read_all(body):
    for read in READERS:
        try:
            read(body)
        except (
            errors.MalformedXML,
            errors.NotImplemented,
            errors.InvalidArgument,
            errors.InvalidPartOrder,
            errors.InvalidTag,
        ):
            continue


@fuzz(body=st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_are_refused_as_malformed(body):
    read_all(body)


@fuzz(body=mutated(st.sampled_from(DOCUMENTS), [*PIECES, *DOCUMENTS]))
def test_a_document_that_was_changed_is_read_or_refused(body):
    read_all(body)


@fuzz(body=st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join))
def test_a_document_of_pieces_is_read_or_refused(body):
    read_all(body)


@fuzz(body=repeated(PIECES), name=repeated([b"a", b".", b"b "]), slower=4)
def test_long_documents_are_read_or_refused(body, name):
    """100 KB of elements, names, namespaces or references, on their own and inside of a document."""
    read_all(body)
    read_all(b"<Delete><Object><Key>" + body + b"</Key></Object></Delete>")
    read_all(b'<Delete xmlns="%s">%s</Delete>' % (name, body))
    read_all(b'<Delete xmlns:p="%s" %s></Delete>' % (name, b" ".join(b'p:a%d=""' % number for number in range(5000))))
    read_all(b"<Delete %s></Delete>" % b" ".join(b'a%d=""' % number for number in range(5000)))
