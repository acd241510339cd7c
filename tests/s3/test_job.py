"""serve --job: a job's inputs as buckets that are read, its output as one that is written, and nothing else."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from falcon_s3 import job
from falcon_s3.digests import body_of
from falcon_s3.job import JobError
from falcon_s3.pfs import Branch, Repo

ID = "0123456789ab4cdef0123456789abcde"


class Task:
    """A job whose input `photos` shows one file of an old commit, and whose output is an open commit."""

    def __init__(self, store):
        name = f"t{uuid.uuid4().hex[:8]}"
        self.store = store
        self.source, self.result = (Branch(Repo("default", f"{name}-{part}"), "master") for part in ("in", "out"))
        for branch in (self.source, self.result):
            store.create_branch(branch)
        self.version = store.put_file(self.source, "cats/tom", body_of([b"a cat"])).commit
        store.put_file(self.source, "cats/tom", body_of([b"another cat"]))
        store.put_file(self.source, "dogs/rex", body_of([b"a dog"]))
        self.output = store.start_commit(self.result)
        store.put_file(self.output, "from-before", body_of([b"of the task that ran first"]))

    @property
    def described(self):
        return {
            "inputs": {"photos": f"{self.source.repo}@master={self.version.id}"},
            "output": f"{self.result.repo}@{self.output.id}",
        }

    def written(self):
        return [entry.path for entry in self.store.list_files(self.output)]


@pytest.fixture(scope="module")
def task(store):
    return Task(store)


@pytest.fixture(scope="module")
def sidecar(task, gateway, pachd, start_gateway, tmp_path_factory):
    """The gateway of the job, on the same store."""
    path = tmp_path_factory.mktemp("job") / "job.json"
    path.write_text(json.dumps(task.described))
    with start_gateway(
        gateway.data, pachd=pachd, token=gateway.token, workers=1, arguments=["--job", str(path)]
    ) as running:
        assert "photos can be read, out can be written" in running.log.read_text()
        yield running
    assert "Traceback" not in running.log.read_text()


def test_the_buckets_are_those_of_the_job(sidecar):
    assert [each["Name"] for each in sidecar.s3.list_buckets()["Buckets"]] == ["out", "photos"]
    for name in ("out", "photos"):
        assert sidecar.s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_an_input_shows_its_commit_and_no_later_one(sidecar):
    """Lists, heads and reads; whatever was written to its branch since."""
    listed = sidecar.s3.list_objects_v2(Bucket="photos")
    read = sidecar.s3.get_object(Bucket="photos", Key="cats/tom")

    assert (listed["Name"], [each["Key"] for each in listed["Contents"]]) == ("photos", ["cats/tom"])
    assert (read["Body"].read(), "VersionId" in read) == (b"a cat", False)
    sidecar.request("GET", "/photos/dogs/rex").refused(404, "NoSuchKey")


@pytest.mark.parametrize(
    "method, target",
    [
        ("PUT", "/photos/new"),
        ("PUT", "/photos/cats/tom"),
        ("DELETE", "/photos/cats/tom"),
        ("POST", "/photos/cats/tom?uploads"),
        ("POST", "/photos?delete"),
        ("DELETE", "/photos"),
        ("PUT", "/photos?acl"),
    ],
)
def test_an_input_cannot_be_changed(sidecar, method, target):
    """Before a body is read."""
    sidecar.request(method, target, b"x" if method == "PUT" else None).refused(403, "AccessDenied")


def test_the_output_is_written_and_not_read(sidecar, task):
    """Also in parts, and from an input; lists are empty, and nothing is found in it."""
    s3 = sidecar.s3
    assert "VersionId" not in s3.put_object(Bucket="out", Key="a", Body=b"1")
    s3.copy_object(Bucket="out", Key="copied", CopySource="photos/cats/tom")
    upload = s3.create_multipart_upload(Bucket="out", Key="parts")["UploadId"]
    part = s3.upload_part(Bucket="out", Key="parts", UploadId=upload, PartNumber=1, Body=b"2")
    assert [each["PartNumber"] for each in s3.list_parts(Bucket="out", Key="parts", UploadId=upload)["Parts"]] == [1]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket="out", Key="parts", UploadId=upload, MultipartUpload=parts)
    s3.put_object(Bucket="out", Key="gone", Body=b"3")
    s3.delete_object(Bucket="out", Key="gone")

    assert set(task.written()) == {"a", "copied", "from-before", "parts"}
    assert s3.list_objects_v2(Bucket="out")["KeyCount"] == 0
    for target in ("/out/a", "/out/from-before", "/out/a?attributes", "/out/a?tagging"):
        headers = {"x-amz-object-attributes": "ETag"} if "attributes" in target else {}
        sidecar.request("GET", target, headers=headers).refused(404, "NoSuchKey")
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="out", Key="a")
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.copy_object(Bucket="out", Key="b", CopySource="out/a")


@pytest.mark.parametrize("bucket", ["master.images", "images", "nothing", ID])
def test_no_other_bucket_is_there(sidecar, task, bucket):
    """Not even those of the job by their full names."""
    for name in (bucket, task.source.repo.name, f"master.{task.source.repo.name}"):
        sidecar.request("GET", f"/{name}").refused(404, "NoSuchBucket")
        sidecar.request("PUT", f"/{name}/k", b"x").refused(404, "NoSuchBucket")
        sidecar.request("PUT", "/out/k", None, {"x-amz-copy-source": f"{name}/cats/tom"}).refused(404, "NoSuchBucket")


def test_no_bucket_is_made_or_removed(sidecar):
    """One that is there is one's own, which clients that make sure of it take for good."""
    sidecar.request("PUT", "/out").refused(409, "BucketAlreadyOwnedByYou")
    sidecar.request("PUT", "/new").refused(404, "NoSuchBucket")
    sidecar.request("DELETE", "/out").refused(403, "AccessDenied")


def test_there_are_no_versions(sidecar, task):
    """No operation on them, and none can be named."""
    assert "Status" not in sidecar.s3.get_bucket_versioning(Bucket="photos")
    sidecar.request("GET", "/photos?versions").refused(501, "NotImplemented")
    sidecar.request("PUT", "/photos?versioning", b"x").refused(501, "NotImplemented")
    sidecar.request("GET", f"/photos/cats/tom?versionId={task.version.id}").refused(501, "NotImplemented")
    source = {"x-amz-copy-source": f"photos/cats/tom?versionId={task.version.id}"}
    sidecar.request("PUT", "/out/k", None, source).refused(501, "NotImplemented")


def test_a_finished_output_takes_no_more(store, gateway, pachd, start_gateway, tmp_path):
    """The job has ended."""
    task = Task(store)
    path = tmp_path / "job.toml"
    path.write_text(f'output = "{task.described["output"]}"\n')
    with start_gateway(
        gateway.data, pachd=pachd, token=gateway.token, workers=1, arguments=["--job", str(path)]
    ) as running:
        assert running.request("PUT", "/out/k", b"x").status == 200
        store.finish_commit(task.output)
        running.request("PUT", "/out/k", b"y").refused(403, "AccessDenied")
        assert [each["Name"] for each in running.s3.list_buckets()["Buckets"]] == ["out"]


@pytest.mark.parametrize(
    "described, message",
    [
        ({}, "neither an input nor an output"),
        ([], "inputs and an output"),
        ({"input": {}}, "inputs and an output"),
        ({"inputs": ["a"]}, "by the names of their buckets"),
        ({"inputs": {"out": f"a@{ID}"}}, "'out' cannot be"),
        ({"inputs": {"a/b": f"a@{ID}"}}, "'a/b' cannot be"),
        ({"inputs": {"a": "a"}}, r"write \[project/\]repo@\[branch=\]id"),
        ({"inputs": {"a": 5}}, r"write \[project/\]repo@\[branch=\]id"),
        ({"inputs": {"a": "a@master"}}, "is no commit id"),
        ({"inputs": {"a": f"a b@{ID}"}}, "alphanumeric"),
        ({"output": f"a@{ID}=master"}, "is no commit id"),
    ],
)
def test_what_describes_no_job_is_refused_with_a_sentence(tmp_path, described, message):
    """It names the file."""
    path = tmp_path / "job.json"
    path.write_text(json.dumps(described))
    with pytest.raises(JobError, match=f"job.json: .*{message}"):
        job.read(path)


@pytest.mark.parametrize("name, text", [("a.json", "{"), ("a.toml", "{"), ("a.toml", None)])
def test_what_cannot_be_read_is_refused(tmp_path, name, text):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(JobError, match=r"the job's file .* (not valid|cannot be read)"):
        job.read(tmp_path / name)


@pytest.mark.parametrize(
    "text, place",
    [
        (f"edges@{ID}", f"{ID}.master.edges.default"),
        (f"edges@dev={ID}", f"{ID}.dev.edges.default"),
        (f"research/edges@dev={ID}", f"{ID}.dev.edges.research"),
    ],
)
def test_a_commit_is_named_as_pachctl_names_it(text, place):
    assert job.place_of(text) == place
