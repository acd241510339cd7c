"""What a key may do, and what anybody may: through sockets, with two workers that both know it within seconds."""

import json
import os
import time

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError
from click.testing import CliRunner

from falcon_s3 import cli
from falcon_s3.keyring import LOOK_SECONDS

DATA = b"some bytes"
CLEAN = {name: None for name in os.environ if name.startswith("FALCON_S3_")}
# Requests, each on a connection of its own, that must all agree: all by one of two workers would be an odd chance.
AGREEMENT = 12


def typed(data, *arguments):
    """A key command, here, while the gateway runs in its own processes, and what it prints as rows.

    Every request that begins after this obeys the change, whichever worker takes it.
    """
    rows = typed_now(data, *arguments)
    time.sleep(LOOK_SECONDS)
    return rows


def typed_now(data, *arguments):
    done = CliRunner().invoke(cli.main, ["key", *arguments, "--data", str(data), "--json"], env=CLEAN)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def secured(start_gateway):
    """A gateway that was started open, and has an administrator's key since; gives it, its client talks with that key."""
    with start_gateway() as gateway:
        [admin] = typed(gateway.data, "create", "--name", "admin", "--admin")
        gateway.access_key, gateway.secret_key = admin["key"], admin["secret"]
        gateway.secrets = [admin["secret"]]
        assert agreed(lambda: gateway.request("GET", "/").status) == 403
        yield gateway
    log = gateway.log.read_text()
    assert "Traceback" not in log
    assert not any(secret in log for secret in gateway.secrets)


def agreed(call):
    """What the call gives, many times over; it must not differ."""
    [found] = {call() for _ in range(AGREEMENT)}
    return found


def unpooled(client):
    """The client, which from now on makes each request on a connection of its own, for whichever worker takes it."""
    client.meta.events.register("before-send.s3", lambda request, **_: request.headers.update(Connection="close"))
    return client


def code(call, **arguments):
    """The code of the error that a client's call raises; None if it succeeds."""
    try:
        answer = call(**arguments)
    except ClientError as ex:
        return ex.response["Error"]["Code"]
    if "Body" in answer:
        answer["Body"].read()
    return None


@pytest.fixture
def new_keys(secured):
    """Creates keys with these options each, which are taken when it returns; gives a client for each."""

    def create(*options):
        clients = []
        for each in options:
            [made] = typed_now(secured.data, "create", *each)
            secured.secrets.append(made["secret"])
            clients.append(secured.client(access_key=made["key"], secret_key=made["secret"]))
            clients[-1].made = made
        time.sleep(LOOK_SECONDS)
        return clients

    return create


@pytest.fixture
def new_key(new_keys):
    """Creates a key with these options; gives a client for it."""
    return lambda *options: new_keys(options)[0]


@pytest.fixture
def buckets(secured):
    """Two branches of one repo and one of another, with the file `k` in each; gives their names."""
    first = secured.new_bucket()
    repo = first.partition(".")[2]
    names = first, f"dev.{repo}", secured.new_bucket()
    for name in names:
        if name.startswith("dev."):
            secured.s3.create_bucket(Bucket=name)
        secured.s3.put_object(Bucket=name, Key="k", Body=DATA)
    return names


def test_tags_of_another_branchs_version_are_not_for_who_may_write_to_one(secured, new_key, buckets):
    """Which whoever may read the repo may read; those of the branch's own history are."""
    master, dev, _ = buckets
    client = new_key("--write", dev, "--purge", dev)
    version = secured.s3.put_object(Bucket=master, Key="k", Body=DATA, Tagging="a=1")["VersionId"]
    given = {"TagSet": [{"Key": "b", "Value": "2"}]}
    named = {"Bucket": dev, "Key": "k", "VersionId": version}
    assert code(client.put_object_tagging, Tagging=given, **named) == "NoSuchVersion"
    assert code(client.delete_object_tagging, **named) == "NoSuchVersion"
    assert code(client.delete_object, **named) is None
    assert secured.s3.get_object_tagging(Bucket=master, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}]
    own = client.head_object(Bucket=dev, Key="k")["VersionId"]
    assert code(client.put_object_tagging, Bucket=dev, Key="k", VersionId=own, Tagging=given) is None
    assert client.get_object_tagging(Bucket=dev, Key="k")["TagSet"] == given["TagSet"]


def test_a_key_is_taken_and_dropped_while_the_gateway_runs(secured, new_key, buckets):
    """By all workers: created, disabled, enabled, deleted."""
    client = unpooled(new_key())
    access_key = client.made["key"]

    def answer():
        return agreed(lambda: code(client.get_object, Bucket=buckets[0], Key="k"))

    assert answer() is None
    typed(secured.data, "disable", access_key)
    assert answer() == "InvalidAccessKeyId"
    typed(secured.data, "enable", access_key)
    assert answer() is None
    typed(secured.data, "delete", access_key)
    assert answer() == "InvalidAccessKeyId"


def test_a_link_ends_with_its_key(secured, new_key, buckets):
    """A presigned URL is good only as long as who made it."""
    client = new_key()
    url = client.generate_presigned_url("get_object", Params={"Bucket": buckets[0], "Key": "k"}, ExpiresIn=600)
    target = url.removeprefix(secured.url)

    assert secured.request("GET", target).body == DATA
    typed(secured.data, "disable", client.made["key"])
    assert agreed(lambda: secured.request("GET", target).code) == "InvalidAccessKeyId"


READS = [
    ("get_object", {"Key": "k"}),
    ("head_object", {"Key": "k"}),
    ("list_objects", {}),
    ("list_objects_v2", {}),
    ("list_object_versions", {}),
    ("head_bucket", {}),
    ("get_bucket_location", {}),
    ("get_bucket_versioning", {}),
]
WRITES = [
    ("put_object", {"Key": "k2", "Body": DATA}),
    ("delete_object", {"Key": "k2"}),
    ("delete_objects", {"Delete": {"Objects": [{"Key": "k2"}]}}),
]
DENIED = {"head_object": "403", "head_bucket": "403"}  # an answer to HEAD has no body to name the error in


def codes(client, bucket, operations):
    return {name: code(getattr(client, name), Bucket=bucket, **arguments) for name, arguments in operations}


def denied(operations):
    return {name: DENIED.get(name, "AccessDenied") for name, _ in operations}


def allowed(operations):
    return {name: None for name, _ in operations}


def test_a_key_reads_what_it_may_read(secured, new_key, buckets):
    """And writes nothing, also there; nor does it read the branch beside."""
    mine, beside, _ = buckets
    client = new_key("--read", mine)

    assert codes(client, mine, READS) == allowed(READS)
    assert codes(client, mine, WRITES) == denied(WRITES)
    assert codes(client, beside, READS + WRITES) == denied(READS + WRITES)
    assert code(client.create_bucket, Bucket=f"{mine}x") == "AccessDenied"
    assert code(client.delete_bucket, Bucket=mine) == "AccessDenied"


def test_a_key_writes_what_it_may_write(secured, new_key, buckets):
    """And reads it; and makes and deletes buckets there, of which it need not know the rest."""
    mine, beside, _ = buckets
    client = new_key("--write", mine, "--write", f"x*.{mine.partition('.')[2]}")

    assert codes(client, mine, READS + WRITES) == allowed(READS + WRITES)
    assert codes(client, beside, READS + WRITES) == denied(READS + WRITES)
    made = f"x1.{mine.partition('.')[2]}"
    assert code(client.create_bucket, Bucket=made) is None
    assert code(client.delete_bucket, Bucket=made) is None
    assert code(client.create_bucket, Bucket=f"y1.{mine}") == "AccessDenied"
    assert code(client.delete_bucket, Bucket=beside) == "AccessDenied"


def test_a_bucket_that_is_not_there_is_not_told_from_one_that_is(new_key, buckets):
    client = new_key("--read", buckets[0])
    assert code(client.get_object, Bucket="dev.nowhere", Key="k") == "AccessDenied"


def test_the_region_of_a_bucket_is_told_to_who_may_not_read_it(secured, new_key, buckets):
    """By HeadBucket, so that clients find out what to sign for; and of a bucket that is not there it says the same."""
    for client in (
        new_key("--read", buckets[0]),
        secured.client(secret_key="wrong"),
        secured.client(signature_version=UNSIGNED),
    ):
        for bucket in (buckets[1], "none"):
            with pytest.raises(ClientError) as raised:
                client.head_bucket(Bucket=bucket)
            told = raised.value.response["ResponseMetadata"]
            assert (told["HTTPStatusCode"], told["HTTPHeaders"]["x-amz-bucket-region"]) == (403, "us-east-1")
            with pytest.raises(ClientError) as raised:
                client.head_object(Bucket=bucket, Key="k")
            assert "x-amz-bucket-region" not in raised.value.response["ResponseMetadata"]["HTTPHeaders"]


def test_the_short_name_of_a_bucket_needs_the_same_right(new_keys, buckets):
    mine, beside, _ = buckets
    repo = mine.partition(".")[2]

    short, full, client = new_keys(["--read", repo], ["--read", mine], ["--read", beside])
    assert code(short.get_object, Bucket=mine, Key="k") is None
    assert code(full.get_object, Bucket=repo, Key="k") is None
    assert code(client.get_object, Bucket=repo, Key="k") == "AccessDenied"
    assert code(client.get_object, Bucket=f"{mine}.default", Key="k") == "AccessDenied"
    assert code(client.get_object, Bucket=f"{beside}.default", Key="k") is None


def test_the_bucket_of_a_commit_needs_the_right_to_its_branch(secured, new_keys, buckets):
    mine, beside, _ = buckets
    repo = mine.partition(".")[2]
    commit = secured.s3.put_object(Bucket=mine, Key="k", Body=DATA)["VersionId"]

    here, there = new_keys(["--read", mine], ["--read", beside])
    for bucket in (f"{commit}.{mine}", f"{commit}.{repo}"):
        assert code(here.get_object, Bucket=bucket, Key="k") is None
        assert code(there.get_object, Bucket=bucket, Key="k") == "AccessDenied"


def test_an_open_commit_is_not_written_in_the_name_of_another_branch(secured, new_keys, buckets):
    """Whoever may read a branch knows its open commit; to write to that takes the right to its own branch."""
    from falcon_s3.buckets import parse
    from falcon_s3.pfs.embedded import EmbeddedPfs

    mine, beside, _ = buckets
    store = EmbeddedPfs(secured.data)
    commit = store.start_commit(parse(mine), "").id
    client, both, purger = new_keys(
        ["--write", beside, "--read", mine],
        ["--write", beside, "--write", mine],
        ["--write", beside, "--purge", mine],
    )

    for operation in WRITES:
        assert codes(client, f"{commit}.{beside}", [operation]) == denied([operation])
    assert codes(client, f"{commit}.{mine}", WRITES) == denied(WRITES)
    assert code(client.head_object, Bucket=mine, Key="k2") == "404"
    assert code(purger.delete_object, Bucket=f"{commit}.{beside}", Key="k") == "AccessDenied"
    asked = {"Bucket": f"{commit}.{beside}", "Delete": {"Objects": [{"Key": "k"}]}}
    assert purger.delete_objects(**asked)["Errors"][0]["Code"] == "AccessDenied"
    assert code(secured.s3.head_object, Bucket=mine, Key="k") is None
    assert codes(both, f"{commit}.{beside}", WRITES) == allowed(WRITES)
    missing = (
        commit.translate(str.maketrans("0123456789abcdef", "1234567890abcdef"))[:12] + "4" + "0" * 3 + "8" + "0" * 15
    )
    assert code(both.put_object, Bucket=f"{missing}.{beside}", Key="k", Body=DATA) == "NoSuchBucket"
    store.close()


def test_an_open_commit_is_not_written_through_another_branch_that_is_at_it(secured, new_keys, buckets):
    """What is written there shows on the branch that the commit was started on."""
    from falcon_s3.buckets import name_of, parse
    from falcon_s3.pfs import Branch
    from falcon_s3.pfs.embedded import EmbeddedPfs

    store = EmbeddedPfs(secured.data)
    mine = parse(buckets[0])
    at_it = Branch(mine.repo, "at-it")
    store.create_branch(at_it, store.start_commit(mine, ""))
    client, both = new_keys(["--write", name_of(at_it)], ["--write", name_of(at_it), "--write", buckets[0]])
    assert codes(client, name_of(at_it), WRITES) == denied(WRITES)
    assert code(client.head_object, Bucket=name_of(at_it), Key="k2") == "404"
    assert codes(both, name_of(at_it), WRITES[:1]) == allowed(WRITES[:1])
    store.finish_commit(mine)
    assert codes(client, name_of(at_it), WRITES) == allowed(WRITES)
    store.close()


def test_a_copy_needs_the_right_to_read_its_source(new_key, buckets):
    """Whole or as a part of an upload, from the branch as it is or from a version."""
    mine, beside, other = buckets
    client = new_key("--write", mine, "--read", other)
    upload = client.create_multipart_upload(Bucket=mine, Key="u")["UploadId"]
    part = {"UploadId": upload, "PartNumber": 1}
    for call, arguments in ((client.copy_object, {"Key": "copy"}), (client.upload_part_copy, {"Key": "u"} | part)):
        for source, expected in ((beside, "AccessDenied"), (other, None), (mine, None)):
            asked = {"Bucket": mine, "CopySource": {"Bucket": source, "Key": "k"}, **arguments}
            assert code(call, **asked) == expected
    asked = {"Key": "copy", "CopySource": {"Bucket": mine, "Key": "k"}}
    assert code(client.copy_object, Bucket=other, **asked) == "AccessDenied"


def test_an_upload_in_parts_needs_the_right_to_write(secured, new_keys, buckets):
    """From its beginning to its end; whoever may read sees which there are."""
    mine = buckets[0]
    reader, writer = new_keys(["--read", mine], ["--write", mine])
    upload = writer.create_multipart_upload(Bucket=mine, Key="u")["UploadId"]
    asked = {"Bucket": mine, "Key": "u", "UploadId": upload}

    assert code(reader.create_multipart_upload, Bucket=mine, Key="u") == "AccessDenied"
    assert code(reader.upload_part, PartNumber=1, Body=DATA, **asked) == "AccessDenied"
    tag = writer.upload_part(PartNumber=1, Body=DATA, **asked)["ETag"]
    end = {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": tag}]}}
    assert code(reader.complete_multipart_upload, **asked, **end) == "AccessDenied"
    assert code(reader.abort_multipart_upload, **asked) == "AccessDenied"
    assert code(reader.list_parts, **asked) is None
    assert code(reader.list_multipart_uploads, Bucket=mine) is None
    assert code(writer.complete_multipart_upload, **asked, **end) is None


def test_versions_are_permanently_deleted_with_a_right_of_its_own(secured, new_keys, buckets):
    """Neither reading nor writing is enough; and that right alone removes no file."""
    mine, beside, _ = buckets
    writer, purger = new_keys(["--write", "*"], ["--purge", mine])
    version = secured.s3.put_object(Bucket=mine, Key="k", Body=b"new")["VersionId"]
    other = secured.s3.put_object(Bucket=mine, Key="k", Body=b"newer")["VersionId"]

    def named(each):
        return {"Objects": [{"Key": "k", "VersionId": each}]}

    assert code(writer.delete_object, Bucket=mine, Key="k", VersionId=version) == "AccessDenied"
    [failed] = writer.delete_objects(Bucket=mine, Delete=named(version))["Errors"]
    assert (failed["Code"], failed["VersionId"]) == ("AccessDenied", version)
    assert "permanently delete" in failed["Message"]
    assert code(secured.s3.head_object, Bucket=mine, Key="k", VersionId=version) is None
    for bucket, arguments in ((beside, {"VersionId": version}), (mine, {})):
        assert code(purger.delete_object, Bucket=bucket, Key="k", **arguments) == "AccessDenied"
    assert code(purger.get_object, Bucket=mine, Key="k") == "AccessDenied"
    assert purger.delete_objects(Bucket=mine, Delete={"Objects": [{"Key": "k"}]})["Errors"][0]["Code"] == "AccessDenied"
    assert code(purger.delete_object, Bucket=mine, Key="k", VersionId=version) is None
    assert "Errors" not in purger.delete_objects(Bucket=mine, Delete=named(other))
    assert secured.s3.get_object(Bucket=mine, Key="k")["Body"].read() == DATA


def test_what_may_and_may_not_be_deleted_comes_in_one_request(secured, new_key, buckets):
    """Each entry is told by itself; the file goes, the version stays."""
    client = new_key("--write", buckets[0])
    version = secured.s3.put_object(Bucket=buckets[0], Key="v", Body=DATA)["VersionId"]
    objects = [{"Key": "k"}, {"Key": "v", "VersionId": version}]
    answer = client.delete_objects(Bucket=buckets[0], Delete={"Objects": objects})

    assert [each["Key"] for each in answer["Deleted"]] == ["k"]
    assert [(each["Key"], each["Code"]) for each in answer["Errors"]] == [("v", "AccessDenied")]
    assert code(secured.s3.head_object, Bucket=buckets[0], Key="v") is None


def test_the_list_of_buckets_shows_those_that_may_be_read(new_keys, buckets):
    mine, beside, other = buckets
    expectations = (
        (["--read", mine], {mine}),
        (["--write", beside], {beside}),
        (["--purge", mine], set()),
        (["--read", mine, "--write", f"*.{other.partition('.')[2]}"], {mine, other}),
        ([], set(buckets)),
    )
    clients = new_keys(*(arguments for arguments, _ in expectations))
    for client, (arguments, expected) in zip(clients, expectations, strict=True):
        listed = {each["Name"] for each in client.list_buckets()["Buckets"]}
        assert listed & set(buckets) == expected
        assert arguments == [] or listed == expected


def refused_before_the_body(secured, method, target, headers):
    """The answer to a request whose body of a gigabyte was announced and never sent."""
    return secured.request(method, target, None, headers | {"Content-Length": str(1 << 30)})


def test_a_write_is_refused_before_its_body_is_read(secured, new_key, new_signer, buckets):
    """The client is not invited to send it, and the answer says which key may not do what, where."""
    client = new_key("--read", "*")
    signer = new_signer(client.made["key"], client.made["secret"])
    bucket = buckets[0]
    for method, path, query in (
        ("PUT", f"/{bucket}/k", ""),
        ("POST", f"/{bucket}", "delete="),
        ("PUT", f"/{bucket}", ""),
    ):
        headers = signer.headers(method, path, {"host": "x"}, "UNSIGNED-PAYLOAD", query)
        for more in ({}, {"Expect": "100-continue"}):
            answer = refused_before_the_body(secured, method, f"{path}?{query}" if query else path, headers | more)
            message = answer.refused(403, "AccessDenied")
            assert message == f"Access Denied: The access key {client.made['key']} may not write to {bucket}."
            assert answer.headers["Connection"] == "close"


def test_nobody_writes_without_a_key(secured, buckets):
    """Before the body is read, too."""
    refused_before_the_body(secured, "PUT", f"/{buckets[0]}/k", {}).refused(403, "AccessDenied")


def test_what_anybody_may_read_needs_no_key(secured, new_key, buckets):
    """Chosen buckets, to read and no more; a wrong signature is wrong there too; and it ends when it is told to."""
    mine, beside, other = buckets
    anybody = unpooled(secured.client(signature_version=UNSIGNED))
    stranger = secured.client(access_key="STRANGER")
    client = new_key("--read", other)

    def answer():
        return code(anybody.get_object, Bucket=mine, Key="k")

    assert answer() == "AccessDenied"
    assert code(anybody.list_buckets) == "AccessDenied"
    typed(secured.data, "anonymous", "--read", mine)
    try:
        assert agreed(answer) is None
        assert codes(anybody, mine, READS) == allowed(READS)
        assert codes(anybody, mine, WRITES) == denied(WRITES)
        assert codes(anybody, beside, READS + WRITES) == denied(READS + WRITES)
        assert code(anybody.delete_object, Bucket=mine, Key="k", VersionId="0" * 32) == "AccessDenied"
        assert [each["Name"] for each in anybody.list_buckets()["Buckets"]] == [mine]
        message = secured.request("PUT", f"/{mine}/k", DATA).refused(403, "AccessDenied")
        assert message == f"Access Denied: Whoever does not sign the request may not write to {mine}."
        for method in ("GET", "HEAD"):  # else a link of anybody's could make a page of it
            answered = secured.request(method, f"/{mine}/k?response-content-type=text/html")
            assert (answered.status, answered.headers["Content-Type"]) == (400, "application/xml")
        secured.request("GET", f"/{mine}/k?response-expires=0").refused(400, "InvalidRequest")
        own = secured.s3.get_object(Bucket=mine, Key="k", ResponseContentType="text/html")
        assert own["ContentType"] == "text/html"
        assert code(stranger.get_object, Bucket=mine, Key="k") == "InvalidAccessKeyId"
        assert code(client.get_object, Bucket=mine, Key="k") == "AccessDenied"
    finally:
        typed(secured.data, "anonymous", "--none")
    assert agreed(answer) == "AccessDenied"


def test_an_acl_is_taken_where_it_says_what_is_so_anyway(secured, buckets):
    """On buckets, objects and copies alike: what everybody may not do no client can grant."""
    mine, beside, _ = buckets
    s3 = unpooled(secured.client())

    def codes_of(bucket, canned):
        return [
            code(s3.put_bucket_acl, Bucket=bucket, ACL=canned),
            code(s3.put_object_acl, Bucket=bucket, Key="k", ACL=canned),
            code(s3.put_object, Bucket=bucket, Key="k", Body=DATA, ACL=canned),
            code(s3.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/k", ACL=canned),
            code(s3.create_multipart_upload, Bucket=bucket, Key="u", ACL=canned),
            code(s3.create_bucket, Bucket=f"{bucket}-{canned}", ACL=canned),
        ]

    typed(secured.data, "anonymous", "--read", f"{mine}*")
    try:
        for canned in ("private", "public-read", "authenticated-read"):
            assert codes_of(mine, canned) == [None] * 6
        assert codes_of(mine, "public-read-write") == ["NotImplemented"] * 6
        assert codes_of(beside, "private") == [None] * 6
        for canned in ("public-read", "authenticated-read", "public-read-write"):
            assert codes_of(beside, canned) == ["NotImplemented"] * 6
    finally:
        typed(secured.data, "anonymous", "--none")


def test_our_own_endpoints_need_no_key(secured):
    assert secured.request("GET", "/~/health").status == 200


def test_a_name_that_no_bucket_has_is_told(new_key):
    client = new_key("--read", "master.*")
    assert code(client.get_object, Bucket="a.b.c.d.e", Key="k") == "InvalidBucketName"


def test_the_operators_own_key_may_do_everything(start_gateway):
    """Also beside stored keys, also purge; and those are taken beside it."""
    with start_gateway(keys=True) as gateway:
        name = gateway.new_bucket()
        version = gateway.s3.put_object(Bucket=name, Key="k", Body=DATA)["VersionId"]
        [made] = typed(gateway.data, "create", "--read", name)
        client = gateway.client(access_key=made["key"], secret_key=made["secret"])
        assert code(client.get_object, Bucket=name, Key="k") is None
        assert code(client.put_object, Bucket=name, Key="k", Body=DATA) == "AccessDenied"
        assert [each["Name"] for each in gateway.s3.list_buckets()["Buckets"]] == [name]
        assert code(gateway.s3.delete_object, Bucket=name, Key="k", VersionId=version) is None
        typed(gateway.data, "delete", made["key"])
        assert code(client.get_object, Bucket=name, Key="k") == "InvalidAccessKeyId"
        gateway.request("GET", f"/{name}/k").refused(403, "AccessDenied")


def test_the_first_key_closes_the_gateway_and_the_end_of_the_last_opens_it(start_gateway):
    """On this machine only; a disabled key keeps it closed."""
    with start_gateway() as gateway:
        assert gateway.request("GET", "/").status == 200
        [made] = typed(gateway.data, "create")
        assert agreed(lambda: gateway.request("GET", "/").code) == "AccessDenied"
        typed(gateway.data, "disable", made["key"])
        assert agreed(lambda: gateway.request("GET", "/").code) == "AccessDenied"
        typed(gateway.data, "delete", made["key"])
        assert agreed(lambda: gateway.request("GET", "/").status) == 200


def test_beyond_this_machine_it_never_opens(start_gateway, tmp_path):
    """A gateway that listens elsewhere, as it may with a stored key, lets nobody in when the last key is gone."""
    [made] = typed(tmp_path, "create")
    with start_gateway(data=tmp_path, host="0.0.0.0") as gateway:
        client = gateway.client(access_key=made["key"], secret_key=made["secret"])
        assert code(client.list_buckets) is None
        gateway.request("GET", "/").refused(403, "AccessDenied")
        typed(tmp_path, "delete", made["key"])
        assert code(client.list_buckets) == "InvalidAccessKeyId"
        gateway.request("GET", "/").refused(403, "AccessDenied")
        gateway.request("PUT", "/master.x").refused(403, "AccessDenied")
