# SPDX-License-Identifier: Apache-2.0
"""Ways to say who we are over HTTP: what is asked of the device once, and what goes with each request."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aioconn.credentials import MASK, Credential, Secret
from aioconn.errors import InvalidOption, MissingValue, nearest
from aioconn.protocols.rest.options import RestOptions
from aioconn.protocols.rest.response import Response

_ACI = {
    "login": "cookie",
    "login_path": "/api/aaaLogin.json",
    "login_body": {"aaaUser": {"attributes": {"name": "{username}", "pwd": "{password}"}}},
    "logout_path": "/api/aaaLogout.json",
}
DEVICES: Mapping[str, Mapping[str, Any]] = {
    "apic": _ACI,
    "nxos": {**_ACI, "login_path": "/api/mo/aaaLogin.json", "logout_path": "/api/mo/aaaLogout.json"},
    "catalyst_center": {
        "login": "token",
        "login_path": "/dna/system/api/v1/auth/token",
        "token_field": "Token",
        "token_header": "X-Auth-Token",
    },
}
"""Kinds of devices by name, and the options that they need."""

_WAYS = ("none", "basic", "token", "cookie")


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """What is asked of the device to log in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


class Login:
    """Our login on one session. Where a token or a cookie has to be had first, `request` says what to ask."""

    def __init__(self, options: RestOptions, credential: Credential, *, device: str, path: str) -> None:
        name = (options.login or "").lower()
        if name in DEVICES:
            options = replace(options, **DEVICES[name])
            name = options.login or ""
        if not name:
            name = (
                "token"
                if options.token is not None
                else "basic"
                if credential.username is not None
                else "none"
            )
        if name not in _WAYS:
            hint = nearest(name, (*_WAYS, *DEVICES))
            raise InvalidOption(f"login: no way {name!r}", device=device, path=path, hint=hint)
        self.way = name
        self._options = options
        self._where: dict[str, Any] = {"device": device, "path": path}
        self._user = credential.user or ""
        self._password = credential.password.reveal() if credential.password is not None else ""
        self._token = options.token.reveal() if options.token is not None else None
        self._secrets = {self._password, self._token or "", _basic(self._user, self._password)}
        if name == "basic" and not self._user:
            raise MissingValue("login basic: no username", **self._where, hint="add it to credentials")
        if self.asks and options.login_path is None:
            raise InvalidOption(f"login {name}: no login_path, and no token", **self._where)

    @property
    def asks(self) -> bool:
        """Whether the device has to be asked, now or when what it gave expires."""
        return self.way == "cookie" or (self.way == "token" and self._options.token is None)

    def request(self) -> LoginRequest:
        """What to ask to log in."""
        options = self._options
        assert options.login_path is not None
        headers = {}
        body = options.login_body
        if body is None:
            headers["Authorization"] = f"Basic {_basic(self._user, self._password)}"
        else:
            body = _fill(body, {"{username}": self._user, "{password}": self._password})
        return LoginRequest(options.login_method, options.login_path, headers, body)

    def accept(self, response: Response) -> str | None:
        """Take what the device answered to it; what is missing there, else None."""
        if self.way == "cookie":
            return None if "set-cookie" in response.headers else "no cookie in the answer to the login"
        options = self._options
        if options.token_answer_header is not None:
            token: str | None = response.header(options.token_answer_header)
            missing = f"no header {options.token_answer_header!r} in the answer to the login"
        else:
            token = _field(response, options.token_field)
            missing = f"no {options.token_field!r} in the answer to the login"
        if not token:
            return missing
        self._token = token
        self._secrets.add(token)
        return None

    def headers(self) -> dict[str, str]:
        """What goes with each request."""
        if self.way == "basic":
            return {"Authorization": f"Basic {_basic(self._user, self._password)}"}
        if self.way == "token" and self._token is not None:
            prefix = self._options.token_prefix
            if prefix is None:
                prefix = "Bearer" if self._options.token_header.lower() == "authorization" else ""
            return {self._options.token_header: f"{prefix} {self._token}".strip()}
        return {}

    @property
    def logout(self) -> tuple[str, str] | None:
        """Method and path of what ends the session at the device."""
        options = self._options
        if not self.asks or options.logout_path is None:
            return None
        return options.logout_method, options.logout_path

    @property
    def logout_body(self) -> Any:
        if self._options.login_path is not None and "aaaLogin" in self._options.login_path:
            return {"aaaUser": {"attributes": {"name": self._user}}}
        return None

    def redact(self, text: str) -> str:
        """`text` without the password and the tokens of this session."""
        for secret in self._secrets:
            if len(secret) > 2 and secret in text:
                text = text.replace(secret, MASK)
        return text

    def __repr__(self) -> str:
        return f"<Login {self.way}>"


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _fill(body: Any, words: Mapping[str, str]) -> Any:
    if isinstance(body, Secret):  # what a testbed has under a key such as `password`
        body = body.reveal()
    if isinstance(body, str):
        for name, value in words.items():
            body = body.replace(name, value)
        return body
    if isinstance(body, Mapping):
        return {name: _fill(value, words) for name, value in body.items()}
    if isinstance(body, list | tuple):
        return [_fill(value, words) for value in body]
    return body


def _field(response: Response, names: str) -> str | None:
    try:
        value = json.loads(response.body)
    except (ValueError, RecursionError):
        return None
    for name in names.split("."):
        if isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, Mapping):
            value = value.get(name)
        else:
            return None
    return value if isinstance(value, str) and value.isprintable() and value.isascii() else None
