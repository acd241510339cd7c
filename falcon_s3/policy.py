"""The policy of an HTML form: who signed it, until when it is good, and what each field of the form must be.

A policy is a JSON document in base64, made by whoever holds a key, for browsers of people who hold none. Pure
functions over the fields of a form, by lower-case name; who may sign is told by `secret_of`. Rule: every field must
be covered by a condition, so that a form does what its maker meant and nothing besides. Left out are those of
NOT_COVERED, and checksums, which only ever refuse.

Source: S3 API reference, "Browser-Based Uploads Using POST" (Signature Version 4), "Creating an HTML form (using AWS
Signature Version 2)".
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NoReturn

from falcon_s3 import errors, sigv2, sigv4, sigv4_claim
from falcon_s3.signature import SecretOf, is_same, mismatch, seconds, secret_for

# The fields that need no condition.
NOT_COVERED = frozenset(("policy", "signature", "awsaccesskeyid", "x-amz-signature", "file"))
NOT_COVERED_PREFIXES = ("x-ignore-", "x-amz-checksum-")
# The fields that sign a form, by version.
VERSION_4 = ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
VERSION_2 = ("awsaccesskeyid", "signature")
# How S3 names them to who left them out.
WRITTEN = {
    name.lower(): name
    for name in ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature", "AWSAccessKeyId", "Signature")
}
LENGTH_RANGE = "content-length-range"
# Nobody counts further; int() of thousands of digits is slow, and refused by some Pythons.
_DIGITS = 19

_EXPIRATION = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?Z", re.ASCII)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """What a field must be, or begin with."""

    operator: str  # "eq" or "starts-with"
    field: str
    value: str

    def holds(self, given: str) -> bool:
        """Whether a field's value will do; one that is not in the form counts as empty."""
        if self.operator == "eq":
            return given == self.value
        # Several types are a list, and each must fit.
        parts = given.split(",") if self.field == "content-type" else [given]
        return all(
            part.strip().startswith(self.value) if len(parts) > 1 else part.startswith(self.value) for part in parts
        )


@dataclass(frozen=True)
class Policy:
    """A policy document that was understood. `least` and `most` are of the file, in bytes."""

    expires: float  # seconds since the epoch
    conditions: tuple[Condition, ...]
    least: int = 0
    most: int | None = None

    def check(self, fields: Mapping[str, str], now: float) -> None:
        """Raise AccessDenied unless the form may be sent at `now` and its fields are as they must be."""
        if now > self.expires:
            raise errors.AccessDenied("Invalid according to Policy: Policy expired.")
        for each in self.conditions:
            if not each.holds(fields.get(each.field, "")):
                text = json.dumps([each.operator, f"${each.field}", each.value])
                raise errors.AccessDenied(f"Invalid according to Policy: Policy Condition failed: {text}")
        covered = {each.field for each in self.conditions} | NOT_COVERED
        extra = [name for name in fields if name not in covered and not name.startswith(NOT_COVERED_PREFIXES)]
        if extra:
            raise errors.AccessDenied(f"Invalid according to Policy: Extra input fields: {', '.join(extra)}")

    def check_length(self, length: int, *, ended: bool) -> None:
        """Raise EntityTooLarge or, when the file `ended`, EntityTooSmall; `length` in bytes so far."""
        if self.most is not None and length > self.most:
            raise errors.EntityTooLarge(fields={"MaxSizeAllowed": str(self.most)})
        if ended and length < self.least:
            raise errors.EntityTooSmall(fields={"ProposedSize": str(length), "MinSizeAllowed": str(self.least)})


# For a form without a policy.
ANYTHING = Policy(float("inf"), ())


def read(text: str) -> Policy:
    """The policy in the field of that name. Raises InvalidPolicyDocument."""
    try:
        document = json.loads(_plain(base64.b64decode(text, validate=True).decode()))
    except (binascii.Error, ValueError, RecursionError):
        _invalid("it is not JSON in base64")
    if not isinstance(document, dict):
        _invalid("it is not a JSON object")
    if unknown := document.keys() - {"expiration", "conditions"}:
        _invalid(f"unexpected: {', '.join(sorted(unknown))}")
    conditions = document.get("conditions")
    if not isinstance(conditions, list):
        _invalid("there is no list of conditions")
    expires = _expiration(document.get("expiration"))
    least, most = 0, None
    found = []
    for each in conditions:
        if isinstance(each, list) and each and str(each[0]).lower() == LENGTH_RANGE:
            low, high = _range(each)
            least, most = max(least, low), high if most is None else min(most, high)
        else:
            found.append(_condition(each))
    return Policy(expires, tuple(found), least, most)


def _plain(text: str) -> str:
    r"""JSON from a policy, which may write `\$` for a dollar sign."""
    return _ESCAPE.sub(lambda escape: "$" if escape[1] == "$" else escape[0], text)


def _expiration(value: Any) -> float:
    found = _EXPIRATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        _invalid("the expiration must be a time such as 2026-12-01T12:00:00.000Z")
    year, month, day, hour, minute, second = map(int, found.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc).timestamp()
    except ValueError:
        _invalid(f"the expiration {value} is no time")


def _range(condition: list[Any]) -> tuple[int, int]:
    if len(condition) != 3:
        _invalid(f"{LENGTH_RANGE} takes two numbers of bytes")
    return _count(condition[1]), _count(condition[2])


def _count(value: Any) -> int:
    """A whole number of bytes, which some write as a text."""
    text = str(value) if isinstance(value, int | str) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        _invalid(f"{LENGTH_RANGE} takes whole numbers of bytes")
    return int(text)


def _condition(condition: Any) -> Condition:
    """`{"field": "value"}`, `["eq", "$field", "value"]` or `["starts-with", "$field", "value"]`."""
    if isinstance(condition, dict):
        if len(condition) != 1:
            _invalid("a simple condition must have exactly one property")
        [(field, value)] = condition.items()
        condition = ["eq", f"${field}", value]
    if not isinstance(condition, list) or len(condition) != 3 or not all(isinstance(each, str) for each in condition):
        _invalid("a condition must be an object with one text or a list of three texts")
    operator, field, value = condition
    if operator.lower() not in ("eq", "starts-with") or not field.startswith("$"):
        _invalid("a condition must be eq, starts-with or content-length-range, and of a $field")
    return Condition(operator.lower(), field[1:].lower(), value)


def _invalid(why: str) -> NoReturn:
    raise errors.InvalidPolicyDocument(f"Invalid Policy: {why}.")


def signer(fields: Mapping[str, str], secret_of: SecretOf, region: str | None) -> str:
    """The access key that signed the policy of a form, in whichever version; "" for a form that is not signed.

    `region` is the one that Version 4 signs for; None: any will do. Raises InvalidArgument for a form that is signed
    in part, AccessDenied for a policy that nobody signed, InvalidToken, InvalidAccessKeyId, SignatureDoesNotMatch.
    """
    claimed = [names for names in (VERSION_4, VERSION_2) if any(name in fields for name in names)]
    if not claimed and "policy" not in fields:
        return ""
    if "x-amz-security-token" in fields:
        raise errors.InvalidToken("There are no temporary credentials here: leave out the session token.")
    if not claimed:
        raise errors.AccessDenied("Access Denied: the form has a policy, and nobody signed it.")
    if len(claimed) > 1:
        raise errors.InvalidArgument("Only one auth mechanism allowed: the fields of one version of a signature.")
    for name in ("policy", *claimed[0]):
        if not fields.get(name):
            written = WRITTEN.get(name, name)
            raise errors.InvalidArgument(
                f"Bucket POST must contain a field named '{written}'.  If it is specified, please check the order of the"
                " fields.",
                fields={"ArgumentName": written, "ArgumentValue": ""},
            )
    if claimed[0] is VERSION_2:
        key = fields["awsaccesskeyid"]
        ours = sigv2.sign(secret_for(key, secret_of), fields["policy"])
        signature = fields["signature"]
    else:
        key, scope = _credential(fields, region)
        secret = secret_for(key, secret_of)
        ours = hmac.digest(sigv4.signing_key(secret, scope), fields["policy"].encode(), "sha256").hex()
        signature = fields["x-amz-signature"]
    if not is_same(ours, signature):
        raise mismatch(key, signature, fields["policy"])
    return key


def _credential(fields: Mapping[str, str], region: str | None) -> tuple[str, str]:
    """The access key and the scope of a form of Version 4. Raises InvalidArgument."""
    if fields["x-amz-algorithm"] != sigv4_claim.ALGORITHM:
        _refuse(fields, "x-amz-algorithm", f"it must be {sigv4_claim.ALGORITHM}")
    if seconds(fields["x-amz-date"]) is None:
        _refuse(fields, "x-amz-date", "it must be a time such as 20261201T120000Z")
    key, _, scope = fields["x-amz-credential"].partition("/")
    date, signed_for = sigv4_claim.parts_of(scope)
    if len(scope) > sigv4_claim.KEPT_CHARACTERS or signed_for is None:
        _refuse(fields, "x-amz-credential", "it must be <access key>/<date>/<region>/s3/aws4_request")
    if date != fields["x-amz-date"][:8]:
        _refuse(fields, "x-amz-credential", "its date must be that of x-amz-date")
    if region not in (None, signed_for):
        _refuse(fields, "x-amz-credential", f"the region '{signed_for}' is wrong; expecting '{region}'")
    return key, scope


def _refuse(fields: Mapping[str, str], name: str, why: str) -> NoReturn:
    raise errors.InvalidArgument(
        f"The field {name} is not valid: {why}.", fields={"ArgumentName": name, "ArgumentValue": fields[name]}
    )
