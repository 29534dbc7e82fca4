# SPDX-License-Identifier: Apache-2.0
"""The operations of NETCONF as XML, refused where the server does not announce what they need. No I/O.

Everything that can be wrong in a call is found here, before anything is sent: `NotCapable` for what the server does not
announce, `InvalidOption` for what makes no sense.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

from aioconn.errors import InvalidOption, NotCapable, Where
from aioconn.protocols.netconf import xml
from aioconn.protocols.netconf.capabilities import Capabilities
from aioconn.protocols.netconf.xml import Xml

MONITORING = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
DATASTORES = "urn:ietf:params:xml:ns:yang:ietf-datastores"
WITH_DEFAULTS = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
EVENTS = "urn:ietf:params:xml:ns:netconf:notification:1.0"

Defaults: TypeAlias = Literal["report-all", "report-all-tagged", "trim", "explicit"]
Namespaces: TypeAlias = Mapping[str, str]

_DATASTORE = re.compile(r"[A-Za-z_][\w.-]*")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_NEEDED = {"candidate": ":candidate", "startup": ":startup"}


class Operations:
    """Writes the operations of one session down."""

    __slots__ = ("_where", "capabilities")

    def __init__(self, capabilities: Capabilities, where: Where) -> None:
        self.capabilities = capabilities
        self._where = where

    # ------------------------------------------------------------------ reading

    def get(
        self,
        filter: Xml | None = None,
        *,
        xpath: str | None = None,
        namespaces: Namespaces | None = None,
        with_defaults: Defaults | None = None,
    ) -> str:
        inner = self._filter(filter, xpath, namespaces) + self._with_defaults(with_defaults)
        return f"<get>{inner}</get>"

    def get_config(
        self,
        source: str = "running",
        filter: Xml | None = None,
        *,
        xpath: str | None = None,
        namespaces: Namespaces | None = None,
        with_defaults: Defaults | None = None,
    ) -> str:
        inner = self._filter(filter, xpath, namespaces) + self._with_defaults(with_defaults)
        return f"<get-config><source>{self._datastore(source)}</source>{inner}</get-config>"

    def get_data(
        self,
        datastore: str = "operational",
        filter: Xml | None = None,
        *,
        xpath: str | None = None,
        namespaces: Namespaces | None = None,
        config: bool | None = None,
        max_depth: int | None = None,
        with_defaults: Defaults | None = None,
    ) -> str:
        """RFC 8526, section 3.1."""
        self.need(NMDA, "urn:ietf:params:netconf:capability:yang-library:1.1")
        prefix, _, name = datastore.rpartition(":")
        if prefix not in ("", "ds") or not _DATASTORE.fullmatch(name):
            raise self._wrong(f"{datastore!r} is no datastore")
        inner = f'<datastore xmlns:ds="{DATASTORES}">ds:{name}</datastore>'
        if xpath is not None:
            self.need(":xpath")
            self._one_filter(filter)
            inner += f"<xpath-filter{self._prefixes(namespaces)}>{self._text(xpath)}</xpath-filter>"
        elif filter is not None:
            inner += f"<subtree-filter>{self._xml(filter, 'filter')}</subtree-filter>"
        if config is not None:
            inner += f"<config-filter>{xml.plain(config)}</config-filter>"
        if max_depth is not None:
            if max_depth < 1:
                raise self._wrong(f"max_depth: {max_depth} is not above zero")
            inner += f"<max-depth>{int(max_depth)}</max-depth>"
        if with_defaults is not None:
            inner += f"<with-defaults>{self._text(with_defaults)}</with-defaults>"
        return f'<get-data xmlns="{NMDA}">{inner}</get-data>'

    def get_schema(self, identifier: str, version: str | None = None, format: str | None = None) -> str:
        """RFC 6022, section 3."""
        self.need(MONITORING, "urn:ietf:params:netconf:capability:yang-library:1.1")
        inner = f"<identifier>{self._text(identifier)}</identifier>"
        if version is not None:
            inner += f"<version>{self._text(version)}</version>"
        if format is not None:
            inner += f"<format>{self._text(format)}</format>"
        return f'<get-schema xmlns="{MONITORING}">{inner}</get-schema>'

    # ------------------------------------------------------------------ changing

    def edit_config(
        self,
        config: Xml | None = None,
        *,
        target: str | None = None,
        url: str | None = None,
        default_operation: Literal["merge", "replace", "none"] | None = None,
        test_option: Literal["test-then-set", "set", "test-only"] | None = None,
        error_option: Literal["stop-on-error", "continue-on-error", "rollback-on-error"] | None = None,
    ) -> str:
        target = target or self.default_target
        if target == "running":
            self.need(":writable-running")
        inner = f"<target>{self._datastore(target)}</target>"
        if default_operation is not None:
            inner += self._choice("default-operation", default_operation, "merge", "replace", "none")
        if test_option is not None:
            self.need(":validate:1.1" if test_option == "test-only" else ":validate")
            inner += self._choice("test-option", test_option, "test-then-set", "set", "test-only")
        if error_option is not None:
            if error_option == "rollback-on-error":
                self.need(":rollback-on-error")
            choices = "stop-on-error", "continue-on-error", "rollback-on-error"
            inner += self._choice("error-option", error_option, *choices)
        if (config is None) == (url is None):
            raise self._wrong("edit_config takes either a configuration or a url")
        inner += f"<config>{self._xml(config, 'config')}</config>" if config is not None else self._url(url)
        return f"<edit-config>{inner}</edit-config>"

    @property
    def default_target(self) -> str:
        """Where edits go if nothing is said: the candidate of a server that has one."""
        return "candidate" if ":candidate" in self.capabilities else "running"

    def copy_config(self, source: Xml, target: str) -> str:
        return (
            f"<copy-config><target>{self._datastore(target)}</target>"
            f"<source>{self._source(source)}</source></copy-config>"
        )

    def delete_config(self, target: str) -> str:
        if target == "running":
            raise self._wrong("the running configuration cannot be deleted (RFC 6241, section 7.4)")
        return f"<delete-config><target>{self._datastore(target)}</target></delete-config>"

    def lock(self, target: str) -> str:
        return f"<lock><target>{self._datastore(target)}</target></lock>"

    def unlock(self, target: str) -> str:
        return f"<unlock><target>{self._datastore(target)}</target></unlock>"

    def validate(self, source: Xml) -> str:
        self.need(":validate")
        return f"<validate><source>{self._source(source)}</source></validate>"

    def commit(
        self,
        *,
        confirmed: bool = False,
        confirm_timeout: int | None = None,
        persist: str | None = None,
        persist_id: str | None = None,
    ) -> str:
        self.need(":candidate")
        inner = ""
        if confirmed:
            self.need(":confirmed-commit")
            inner += "<confirmed/>"
        elif confirm_timeout is not None or persist is not None:
            raise self._wrong("confirm_timeout and persist belong to a commit that is to be confirmed")
        if confirm_timeout is not None:
            if confirm_timeout < 1:
                raise self._wrong(f"confirm_timeout: {confirm_timeout} is not above zero")
            inner += f"<confirm-timeout>{int(confirm_timeout)}</confirm-timeout>"
        if persist is not None or persist_id is not None:
            self.need(":confirmed-commit:1.1")
        if persist is not None:
            inner += f"<persist>{self._text(persist)}</persist>"
        if persist_id is not None:
            inner += f"<persist-id>{self._text(persist_id)}</persist-id>"
        return f"<commit>{inner}</commit>"

    def cancel_commit(self, persist_id: str | None = None) -> str:
        self.need(":confirmed-commit:1.1")
        inner = "" if persist_id is None else f"<persist-id>{self._text(persist_id)}</persist-id>"
        return f"<cancel-commit>{inner}</cancel-commit>"

    def discard_changes(self) -> str:
        self.need(":candidate")
        return "<discard-changes/>"

    # ------------------------------------------------------------------ sessions, events, the rest

    def kill_session(self, session_id: int) -> str:
        if session_id < 1:
            raise self._wrong(f"{session_id} is no number of a session")
        return f"<kill-session><session-id>{int(session_id)}</session-id></kill-session>"

    def create_subscription(
        self,
        stream: str | None = None,
        filter: Xml | None = None,
        *,
        xpath: str | None = None,
        namespaces: Namespaces | None = None,
        start: datetime | None = None,
        stop: datetime | None = None,
    ) -> str:
        """RFC 5277, section 2.1.1."""
        self.need(":notification")
        if stop is not None and start is None:
            raise self._wrong("a subscription that ends at a time has to begin at one: give start")
        inner = "" if stream is None else f"<stream>{self._text(stream)}</stream>"
        inner += self._filter(filter, xpath, namespaces)
        for name, moment in (("startTime", start), ("stopTime", stop)):
            if moment is not None:
                if moment.tzinfo is None:
                    raise self._wrong(f"{moment} has no time zone")
                inner += f"<{name}>{moment.isoformat()}</{name}>"
        return f'<create-subscription xmlns="{EVENTS}">{inner}</create-subscription>'

    def other(self, operation: Xml) -> str:
        """An operation of the device's own: XML, or the name of an element without content. What has no namespace is in
        NETCONF's; an `<rpc>` around it is taken off."""
        if isinstance(operation, str) and not operation.lstrip().startswith("<"):
            try:
                return f"<{xml.check_name(operation.strip())}/>"
            except xml.BadXml as error:
                raise self._wrong(str(error)) from None
        found = self._elements(operation)
        if len(found) == 1 and xml.is_base(found[0], "rpc"):
            found = xml.children(found[0])
        if len(found) != 1:
            raise self._wrong(f"an rpc has one operation, not {len(found)}")
        return xml.text_of(found[0])

    # ------------------------------------------------------------------ parts

    def need(self, *names: str) -> None:
        """Raise `NotCapable` unless the server announces one of these."""
        if not any(name in self.capabilities for name in names):
            raise NotCapable(
                f"the device does not announce {names[0]}; nothing was sent",
                **self._where,
                capability=names[0],
            )

    def _wrong(self, message: str) -> InvalidOption:
        return InvalidOption(message, **self._where)

    def _elements(self, given: Xml) -> list[xml.Element]:
        try:
            return xml.elements(given)
        except xml.BadXml as error:
            raise self._wrong(f"the XML is not well-formed: {error}") from None

    def _xml(self, given: Xml, around: str) -> str:
        """What the user gave, without the element that he may have put around it."""
        found = self._elements(given)
        if len(found) == 1 and xml.is_base(found[0], around):
            found = xml.children(found[0])
        return xml.enclosed(found)

    def _text(self, value: object) -> str:
        try:
            return xml.plain(value)
        except xml.BadXml as error:
            raise self._wrong(str(error)) from None

    def _datastore(self, name: str) -> str:
        if _URL.match(name):
            return self._url(name)
        if not _DATASTORE.fullmatch(name):
            raise self._wrong(f"{name!r} is no datastore")
        if name in _NEEDED:
            self.need(_NEEDED[name])
        return f"<{name}/>"

    def _source(self, source: Xml) -> str:
        if isinstance(source, str) and not source.lstrip().startswith("<"):
            return self._datastore(source)
        return f"<config>{self._xml(source, 'config')}</config>"

    def _url(self, url: str | None) -> str:
        self.need(":url")
        return f"<url>{self._text(url)}</url>"

    def _choice(self, element: str, value: str, *choices: str) -> str:
        if value not in choices:
            raise self._wrong(f"{element}: {value!r} is none of {', '.join(choices)}")
        return f"<{element}>{value}</{element}>"

    def _one_filter(self, filter: Xml | None) -> None:
        if filter is not None:
            raise self._wrong("give either a subtree or an xpath to filter by")

    def _prefixes(self, namespaces: Namespaces | None) -> str:
        text = ""
        for prefix, namespace in (namespaces or {}).items():
            if not _DATASTORE.fullmatch(prefix):
                raise self._wrong(f"{prefix!r} is no prefix")
            text += f" xmlns:{prefix}={self._attribute(namespace)}"
        return text

    def _attribute(self, value: str) -> str:
        return (
            '"' + self._text(value).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;") + '"'
        )

    def _filter(self, filter: Xml | None, xpath: str | None, namespaces: Namespaces | None) -> str:
        if xpath is not None:
            self.need(":xpath")
            self._one_filter(filter)
            prefixes = self._prefixes(namespaces)
            return f'<filter type="xpath"{prefixes} select={self._attribute(xpath)}/>'
        if filter is None:
            return ""
        return f'<filter type="subtree">{self._xml(filter, "filter")}</filter>'

    def _with_defaults(self, mode: Defaults | None) -> str:
        """RFC 6243, section 4."""
        if mode is None:
            return ""
        name = ":with-defaults"
        self.need(name)
        known = self.capabilities.parameters(name)
        also = known.get("also-supported", "").replace(" ", ",").split(",")
        if mode not in (known.get("basic-mode", ""), *also):
            raise NotCapable(
                f"the device does not announce with-defaults {mode}; nothing was sent",
                **self._where,
                capability=f"{name} {mode}",
            )
        return f'<with-defaults xmlns="{WITH_DEFAULTS}">{mode}</with-defaults>'
