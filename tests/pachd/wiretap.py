"""PachdPfs whose calls are written down, and whose replies may be changed as an older or newer pachd would send them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import Message

from falcon_s3.pfs.pachd import PachdPfs
from falcon_s3.pfs.pachd.address import Address
from falcon_s3.pfs.pachd.calls import Calls, Channel, Method
from tests.pfs.remote import is_repeated

# Changes a reply in place.
Change = Callable[[Message], None]


class TappedChannel(Channel):
    def __init__(self, address: Address, deadline: float, change: Change | None):
        super().__init__(address, deadline)
        self.names: list[str] = []
        self._change = change

    def callable(self, kind: str, method: Method, serialize: Callable[[Any], bytes] | None) -> Any:
        def reply(data: bytes) -> Any:
            message = method.reply(data)
            if self._change is not None and isinstance(message, Message):
                self._change(message)
            return message

        return Told(super().callable(kind, Method(method.path, reply), serialize), method, self.names)


class Told:
    """A method that writes down each call of it."""

    def __init__(self, call: Any, method: Method, names: list[str]):
        self._call = call
        self._name = method.path.rpartition("/")[2]
        self._names = names

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self._names.append(self._name)
        return self._call(*arguments, **options)

    def future(self, *arguments: Any, **options: Any) -> Any:
        self._names.append(self._name)
        return self._call.future(*arguments, **options)


class Lost(grpc.RpcError):  # type: ignore[misc,unused-ignore]
    """How a call ends whose connection breaks before the answer."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "Socket closed"


class TappedPfs(PachdPfs):
    def __init__(self, address: Address, *, deadline: float = 30.0, change: Change | None = None):
        super().__init__(address, deadline=deadline)
        self._channel.close()
        self._channel = TappedChannel(address, deadline, change)
        self._calls = Calls(self._channel)

    def calls(self) -> list[str]:
        """The names of the calls since this was asked last."""
        names = list(self._channel.names)  # type: ignore[attr-defined]
        self._channel.names.clear()  # type: ignore[attr-defined]
        return names


def each_message(message: Message, kind: str) -> list[Any]:
    """All messages of a kind within a message, itself included."""
    found = [message] if message.DESCRIPTOR.full_name == kind else []
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for one in value if is_repeated(field) else (value,):
            found += each_message(one, kind)
    return found
