# SPDX-License-Identifier: Apache-2.0
"""Who we are to a device. Secrets are values that never print themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aioconn.errors import MissingValue

MASK = "***"


class Secret:
    """A text that is only given out by `reveal()`; `repr`, `str`, `format`, logs and errors show `***`.

    It may be deferred: `Secret(source)` with a callable asks it at the first `reveal()`, not before.
    """

    __slots__ = ("_source", "_value")

    def __init__(self, value: str | Callable[[], str]) -> None:
        self._value: str | None = value if isinstance(value, str) else None
        self._source: Callable[[], str] | None = None if isinstance(value, str) else value

    def reveal(self) -> str:
        """The text itself. Raises `MissingValue` if its source has none."""
        if self._value is None:
            assert self._source is not None
            self._value = self._source()
        return self._value

    @property
    def known(self) -> str | None:
        """The text if it has been revealed or was never deferred; asks nobody."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __bool__(self) -> bool:
        return self._value != ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.reveal() == other.reveal()

    def __hash__(self) -> int:
        return hash(self.reveal())


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One way to say who we are. `username` may be deferred as well, hence `str | Secret`.

    `key` is the path of an SSH private key, `passphrase` opens it, `certificate` is the user certificate's path.
    """

    username: str | Secret | None = None
    password: Secret | None = None
    key: str | None = None
    passphrase: Secret | None = None
    certificate: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def user(self) -> str | None:
        return self.username.reveal() if isinstance(self.username, Secret) else self.username


class Credentials:
    """Named credentials with the fall-back of a testbed: connection over device over testbed, then `default`.

    `layers` go from the most special to the most general; each maps a name (`default`, `enable`, `ssh`, ...) to
    a `Credential`.
    """

    __slots__ = ("_chosen", "_layers", "_origin", "_user")

    def __init__(
        self,
        *layers: Mapping[str, Credential],
        origin: str = "credentials",
        chosen: Sequence[str] = (),
        user: str | None = None,
    ) -> None:
        self._layers = layers
        self._origin = origin
        self._chosen = tuple(chosen)
        self._user = user

    def under(self, layer: Mapping[str, Credential]) -> Credentials:
        """These credentials as the fall-back of `layer`."""
        if not layer:
            return self
        return Credentials(layer, *self._layers, origin=self._origin, chosen=self._chosen, user=self._user)

    def logging_in(self, chosen: Sequence[str], user: str | None = None) -> Credentials:
        """The same, with the names of those to log in with; one after the other, if we are asked several times.

        `user` logs in where the credential does not say who does.
        """
        if not chosen and user is None:
            return self
        return Credentials(*self._layers, origin=self._origin, chosen=chosen, user=user)

    @property
    def parts(self) -> tuple[tuple[Mapping[str, Credential], ...], str, tuple[str, ...], str | None]:
        """What they are made of: layers, origin, who was chosen to log in, the user."""
        return self._layers, self._origin, self._chosen, self._user

    def find(self, name: str) -> Credential | None:
        """The credential of exactly this name, from the most special layer that has it."""
        for layer in self._layers:
            if name in layer:
                return layer[name]
        return None

    def get(self, *names: str) -> Credential:
        """The first of `names` that exists, else `default`, else an empty one."""
        for name in (*names, "default"):
            if (found := self.find(name)) is not None:
                return found
        return Credential()

    def login(self, *names: str) -> Credential:
        """Who logs in, or does so first: as has been chosen, else `get(*names)`."""
        if not self._chosen and self._user is None:  # as nearly always
            return self.get(*names)
        return self.logins(*names)[0]

    def logins(self, *names: str) -> tuple[Credential, ...]:
        """Who logs in, one after the other, as a terminal server asks and then the device behind it; at least one."""
        found = tuple(self.get(name) for name in self._chosen) or (self.get(*names),)
        if self._user is None:
            return found
        return tuple(replace(one, username=self._user) if one.username is None else one for one in found)

    def require_password(self, *names: str) -> str:
        """The password of `get(*names)`; `MissingValue` says which credential is missing."""
        credential = self.get(*names)
        if credential.password is None:
            wanted = names[0] if names else "default"
            raise MissingValue(
                f"no password in credential {wanted!r}",
                hint=f"add {self._origin}.{wanted}.password (or {self._origin}.default.password)",
            )
        return credential.password.reveal()

    def enable_password(self) -> str | None:
        """What opens privileged mode.

        The `enable_password` of who logs in, that of `default`, the password of `enable`, that of who logs in, and that
        of `default`: the first that there is, as in unicon.
        """
        own = [*(self.get(name) for name in reversed(self._chosen)), self.get()]
        for credential in own:
            if isinstance(found := credential.extra.get("enable_password"), Secret):
                return found.reveal()
        enable = self.find("enable")
        passwords = [one.password for one in ([enable] if enable is not None else []) + own]
        return next((password.reveal() for password in passwords if password is not None), None)

    def secrets(self) -> Iterable[Secret]:
        """Every secret of every layer, for redaction."""
        for layer in self._layers:
            for credential in layer.values():
                for value in (credential.password, credential.passphrase, *credential.extra.values()):
                    if isinstance(value, Secret):
                        yield value

    def redact(self, text: str) -> str:
        """`text` with every secret that has been used so far replaced by `***`.

        Secrets of one or two characters are left: they would eat ordinary text.
        """
        for secret in self.secrets():
            value = secret.known
            if value and len(value) > 2 and value in text:
                text = text.replace(value, MASK)
        return text

    def __repr__(self) -> str:
        names = sorted({name for layer in self._layers for name in layer})
        return f"<Credentials {', '.join(names) or 'none'}>"
