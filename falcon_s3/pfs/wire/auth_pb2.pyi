from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Permission(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PERMISSION_UNKNOWN: _ClassVar[Permission]
    REPO_READ: _ClassVar[Permission]
    REPO_WRITE: _ClassVar[Permission]
    REPO_MODIFY_BINDINGS: _ClassVar[Permission]
    REPO_DELETE: _ClassVar[Permission]
    REPO_INSPECT_COMMIT: _ClassVar[Permission]
    REPO_LIST_COMMIT: _ClassVar[Permission]
    REPO_DELETE_COMMIT: _ClassVar[Permission]
    REPO_CREATE_BRANCH: _ClassVar[Permission]
    REPO_LIST_BRANCH: _ClassVar[Permission]
    REPO_DELETE_BRANCH: _ClassVar[Permission]
    REPO_INSPECT_FILE: _ClassVar[Permission]
    REPO_LIST_FILE: _ClassVar[Permission]
    PROJECT_CREATE: _ClassVar[Permission]
    PROJECT_DELETE: _ClassVar[Permission]
    PROJECT_LIST_REPO: _ClassVar[Permission]
    PROJECT_CREATE_REPO: _ClassVar[Permission]
    PROJECT_MODIFY_BINDINGS: _ClassVar[Permission]

class ResourceType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESOURCE_TYPE_UNKNOWN: _ClassVar[ResourceType]
    CLUSTER: _ClassVar[ResourceType]
    REPO: _ClassVar[ResourceType]
    SPEC_REPO: _ClassVar[ResourceType]
    PROJECT: _ClassVar[ResourceType]
PERMISSION_UNKNOWN: Permission
REPO_READ: Permission
REPO_WRITE: Permission
REPO_MODIFY_BINDINGS: Permission
REPO_DELETE: Permission
REPO_INSPECT_COMMIT: Permission
REPO_LIST_COMMIT: Permission
REPO_DELETE_COMMIT: Permission
REPO_CREATE_BRANCH: Permission
REPO_LIST_BRANCH: Permission
REPO_DELETE_BRANCH: Permission
REPO_INSPECT_FILE: Permission
REPO_LIST_FILE: Permission
PROJECT_CREATE: Permission
PROJECT_DELETE: Permission
PROJECT_LIST_REPO: Permission
PROJECT_CREATE_REPO: Permission
PROJECT_MODIFY_BINDINGS: Permission
RESOURCE_TYPE_UNKNOWN: ResourceType
CLUSTER: ResourceType
REPO: ResourceType
SPEC_REPO: ResourceType
PROJECT: ResourceType

class AuthenticateRequest(_message.Message):
    __slots__ = ("oidc_state", "id_token")
    OIDC_STATE_FIELD_NUMBER: _ClassVar[int]
    ID_TOKEN_FIELD_NUMBER: _ClassVar[int]
    oidc_state: str
    id_token: str
    def __init__(self, oidc_state: _Optional[str] = ..., id_token: _Optional[str] = ...) -> None: ...

class AuthenticateResponse(_message.Message):
    __slots__ = ("pach_token",)
    PACH_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pach_token: str
    def __init__(self, pach_token: _Optional[str] = ...) -> None: ...

class WhoAmIRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WhoAmIResponse(_message.Message):
    __slots__ = ("username", "expiration")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    EXPIRATION_FIELD_NUMBER: _ClassVar[int]
    username: str
    expiration: _timestamp_pb2.Timestamp
    def __init__(self, username: _Optional[str] = ..., expiration: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Resource(_message.Message):
    __slots__ = ("type", "name")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    type: ResourceType
    name: str
    def __init__(self, type: _Optional[_Union[ResourceType, str]] = ..., name: _Optional[str] = ...) -> None: ...

class AuthorizeRequest(_message.Message):
    __slots__ = ("resource", "permissions")
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    resource: Resource
    permissions: _containers.RepeatedScalarFieldContainer[Permission]
    def __init__(self, resource: _Optional[_Union[Resource, _Mapping]] = ..., permissions: _Optional[_Iterable[_Union[Permission, str]]] = ...) -> None: ...

class AuthorizeResponse(_message.Message):
    __slots__ = ("authorized", "satisfied", "missing", "principal")
    AUTHORIZED_FIELD_NUMBER: _ClassVar[int]
    SATISFIED_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    authorized: bool
    satisfied: _containers.RepeatedScalarFieldContainer[Permission]
    missing: _containers.RepeatedScalarFieldContainer[Permission]
    principal: str
    def __init__(self, authorized: bool = ..., satisfied: _Optional[_Iterable[_Union[Permission, str]]] = ..., missing: _Optional[_Iterable[_Union[Permission, str]]] = ..., principal: _Optional[str] = ...) -> None: ...
