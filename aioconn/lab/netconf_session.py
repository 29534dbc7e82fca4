# SPDX-License-Identifier: Apache-2.0
"""One NETCONF session with a simulated device: messages in, messages out."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from aioconn.lab.data import DataError
from aioconn.lab.netconf import NetconfServer, RpcFailure, notification
from aioconn.lab.netconf_xml import BASE, Element, children, edits_of, filtered, render, value_of, yang
from aioconn.protocols.netconf.framing import END, BadFraming, Decoder, encode

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice
    from aioconn.lab.servers import Site

_PIECE = 32_768
_GARBAGE = b"\x00\x1b[2J<rpc-reply message-id=\xff\xfe"


class Wire(Protocol):
    """What carries a session."""

    def write_output(self, data: bytes) -> None: ...

    def finish(self, *, reset: bool) -> None: ...


class NetconfSession:
    """A session, from hello to its end. It counts among the sessions of its device."""

    def __init__(self, server: NetconfServer, wire: Wire) -> None:
        self.number = 0
        self.server = server
        self.device = server.device
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder()
        self._message = bytearray()
        self._greeted = False
        self._subscribed = False
        self._ended = False
        self._paused = False
        self._replies = 0
        self._written = 0
        self._outgoing: list[bytes] = []
        self._pump: asyncio.TimerHandle | None = None
        self._timers: set[asyncio.TimerHandle] = set()

    @property
    def ended(self) -> bool:
        return self._ended

    # ------------------------------------------------------------------ the wire

    def start(self) -> None:
        self.number = self.server.enter(self)
        self.device.enter(self)
        if self.device.full:
            self.end(reset=False)
        elif not self.device.faults.silent:
            announced = "".join(f"<capability>{escape(uri)}</capability>" for uri in self.server.capabilities)
            hello = (
                f'<hello xmlns="{BASE}"><capabilities>{announced}</capabilities>'
                f"<session-id>{self.number}</session-id></hello>"
            )
            self._write(encode(hello.encode(), chunked=False))

    def feed(self, data: bytes) -> None:
        if self._ended:
            return
        try:
            for part in self._decoder.feed(data):
                if part is END:
                    message, self._message = bytes(self._message), bytearray()
                    self._read(message)
                    if self.ended:
                        return
                else:
                    self._message += part
        except (BadFraming, etree.XMLSyntaxError):
            self.end(reset=False)

    def end(self, *, reset: bool = False) -> None:
        """End it from the device's side."""
        if not self._ended:
            self._over()
            self._wire.finish(reset=reset)

    def lost(self) -> None:
        """The client has gone."""
        if not self._ended:
            self._over()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._deliver()

    def _over(self) -> None:
        self._ended = True
        for timer in (*self._timers, *([self._pump] if self._pump is not None else [])):
            timer.cancel()
        self._timers.clear()
        self._outgoing.clear()
        self.server.leave(self)
        self.device.leave(self)

    def _later(self, delay: float, work: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            work()

        timer = self._loop.call_later(delay, run)
        self._timers.add(timer)

    def _write(self, data: bytes) -> None:
        """Send, in order, as the faults of the device have it."""
        size = self.device.faults.byte_at_a_time or _PIECE
        self._outgoing += [data[start : start + size] for start in range(0, len(data), size)]
        if self._pump is None:
            self._deliver()

    def _deliver(self) -> None:
        self._pump = None
        faults = self.device.faults
        sent = 0
        while self._outgoing and sent < len(self._outgoing) and not self._paused and not self._ended:
            piece = self._outgoing[sent]
            sent += 1
            limit = faults.reset_after
            if limit is not None and self._written + len(piece) >= limit:
                self._wire.write_output(piece[: limit - self._written])
                self.end(reset=True)
                return
            self._written += len(piece)
            self._wire.write_output(piece)
            if faults.byte_at_a_time and sent < len(self._outgoing):
                self._pump = self._loop.call_later(faults.byte_interval, self._deliver)
                break
        del self._outgoing[:sent]

    # ------------------------------------------------------------------ messages

    def _read(self, message: bytes) -> None:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
        root = etree.fromstring(message.strip(), parser)
        name = etree.QName(root).localname
        if not self._greeted:
            uris = {(one.text or "").strip() for one in root.iter(f"{{{BASE}}}capability")}
            ours = {uri.partition("?")[0] for uri in self.server.capabilities}
            common = {uri for uri in uris & ours if ":base:" in uri}
            if name != "hello" or not common:
                self.end()
                return
            self._greeted = True
            self._decoder.chunked = any(uri.endswith(":1.1") for uri in common)
        elif name == "rpc":
            self._serve(root)
        else:
            self.end()

    def _serve(self, rpc: Element) -> None:
        operation = next(iter(children(rpc)), None)
        name = etree.QName(operation).localname if operation is not None else ""
        self.device.record(self.number, name)
        faults = self.device.faults
        if faults.hang_on and re.search(faults.hang_on, etree.tostring(rpc, encoding="unicode")):
            return
        if faults.latency:
            self._later(faults.latency, lambda: self._answer(rpc, operation, name))
        else:
            self._answer(rpc, operation, name)

    def _answer(self, rpc: Element, operation: Element | None, name: str) -> None:
        try:
            if operation is None:
                raise RpcFailure("missing-element", "an rpc without an operation", kind="rpc")
            work = getattr(self, "_do_" + name.replace("-", "_"), None)
            if work is None:
                raise RpcFailure(
                    "operation-not-supported", f"there is no operation {name!r}", kind="protocol"
                )
            content = work(operation) or "<ok/>"
        except DataError as error:
            content = _error(RpcFailure(error.tag, error.message, path=error.path))
        except RpcFailure as error:
            content = _error(error)
        attributes = ""
        for key, value in map(_texts, rpc.attrib.items()):
            text = f"{value}0" if key == "message-id" and self.device.faults.wrong_id else value
            attributes += f" {key}={quoteattr(text)}" if not key.startswith("{") else ""
        self._reply(f'<rpc-reply xmlns="{BASE}"{attributes}>{content}</rpc-reply>')
        if name == "close-session":
            self.end()

    def _reply(self, text: str) -> None:
        self._replies += 1
        every = self.device.faults.garbage
        if every and self._replies % every == 0:
            self._write(_GARBAGE)
        self._write(encode(text.encode(), chunked=self._decoder.chunked))

    def notify(self, moment: datetime, event: str) -> None:
        """For the server: an event for whoever has subscribed."""
        if self._subscribed and not self._ended:
            self._write(encode(notification(moment, event).encode(), chunked=self._decoder.chunked))

    # ------------------------------------------------------------------ operations

    def _do_get(self, operation: Element) -> str:
        return self._data(self.device.data.read(), operation)

    def _do_get_config(self, operation: Element) -> str:
        if _target(operation, "source") == "candidate":
            return self._data(self.server.candidate.read(config=True), operation)
        return self._data(self.device.data.read(config=True), operation)

    def _data(self, values: Any, operation: Element) -> str:
        roots = render(self.device.data, values)
        if _text(operation, "with-defaults") == "trim":
            for root in roots:
                for leaf in list(root.iter("{*}enabled")):
                    parent = leaf.getparent()
                    if leaf.text == "true" and parent is not None:
                        parent.remove(leaf)
        found = filtered(roots, operation.find(f"{{{BASE}}}filter"))
        return f"<data>{''.join(etree.tostring(one, encoding='unicode') for one in found)}</data>"

    def _do_edit_config(self, operation: Element) -> str:
        target = _target(operation, "target")
        self.server.check_lock(target, self)
        config = operation.find(f"{{{BASE}}}config")
        if config is None:
            raise RpcFailure("missing-element", "there is no config", kind="protocol")
        edits = edits_of(self.device.data, config, _text(operation, "default-operation") or "merge")
        if _text(operation, "test-option") == "test-only":
            self.device.data.candidate().edit(edits)
        else:
            self.server.edit(target, edits)
        return ""

    def _do_copy_config(self, operation: Element) -> str:
        target = _target(operation, "target")
        self.server.check_lock(target, self)
        config = operation.find(f"{{{BASE}}}source/{{{BASE}}}config")
        store = self.device.data
        if config is not None:
            edits = edits_of(store, config, "replace")
        elif _target(operation, "source") == target:
            raise RpcFailure("invalid-value", "source and target are the same")
        else:
            source = self.server.candidate.read() if target == "running" else store.read(config=True)
            whole = etree.Element("config")
            whole.extend(render(store, source))
            value_of(store, whole)
            edits = edits_of(store, whole, "replace")
        self.server.edit(target, edits)
        return ""

    def _do_delete_config(self, operation: Element) -> str:
        raise RpcFailure("operation-not-supported", f"{_target(operation, 'target')} cannot be deleted")

    def _do_lock(self, operation: Element) -> str:
        self.server.lock(_target(operation, "target"), self)
        return ""

    def _do_unlock(self, operation: Element) -> str:
        self.server.unlock(_target(operation, "target"), self)
        return ""

    def _do_validate(self, operation: Element) -> str:
        config = operation.find(f"{{{BASE}}}source/{{{BASE}}}config")
        if config is not None:
            self.device.data.candidate().edit(edits_of(self.device.data, config))
        elif _target(operation, "source") == "candidate":
            self.server.candidate.validate()
        return ""

    def _do_commit(self, operation: Element) -> str:
        for target in ("running", "candidate"):
            self.server.check_lock(target, self)
        self.server.commit(
            self,
            confirmed=operation.find(f"{{{BASE}}}confirmed") is not None,
            seconds=float(_text(operation, "confirm-timeout") or 600),
            persist=_text(operation, "persist") or None,
            persist_id=_text(operation, "persist-id") or None,
        )
        return ""

    def _do_cancel_commit(self, operation: Element) -> str:
        self.server.cancel_commit(self, _text(operation, "persist-id") or None)
        return ""

    def _do_discard_changes(self, operation: Element) -> str:
        self.server.check_lock("candidate", self)
        self.server.discard()
        return ""

    def _do_kill_session(self, operation: Element) -> str:
        self.server.kill(int(_text(operation, "session-id") or 0), self)
        return ""

    def _do_close_session(self, operation: Element) -> str:
        return ""

    def _do_get_schema(self, operation: Element) -> str:
        wanted = _text(operation, "identifier")
        for module in self.device.data.modules:
            if module.name == wanted and _text(operation, "version") in ("", module.revision):
                text = escape(yang(module, self.device.data.top()))
                return f'<data xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring">{text}</data>'
        raise RpcFailure("invalid-value", f"there is no module {wanted!r}")

    def _do_create_subscription(self, operation: Element) -> str:
        if self._subscribed:
            raise RpcFailure("operation-failed", "the session has a subscription already", kind="protocol")
        stream = _text(operation, "stream")
        if stream not in ("", "NETCONF"):
            raise RpcFailure("bad-element", f"there is no stream {stream!r}", kind="protocol")
        start, stop = _text(operation, "startTime"), _text(operation, "stopTime")
        self._loop.call_soon(self._begin_events, start, stop)
        return ""

    def _begin_events(self, start: str, stop: str) -> None:
        self._subscribed = True
        if start:
            since = datetime.fromisoformat(start)
            for moment, event in self.server.events:
                if moment >= since:
                    self.notify(moment, event)
            self.notify(datetime.now(UTC), "<replayComplete/>")
        if stop:
            left = (datetime.fromisoformat(stop) - datetime.now(UTC)).total_seconds()
            self._later(max(left, 0), self._end_events)

    def _end_events(self) -> None:
        self.notify(datetime.now(UTC), "<notificationComplete/>")
        self._subscribed = False


def _texts(pair: tuple[str | bytes, str | bytes]) -> tuple[str, str]:
    """For the types' sake: lxml gives texts here."""
    return str(pair[0]), str(pair[1])


def _text(operation: Element, name: str) -> str:
    """The text of a parameter, in whatever namespace it is."""
    found = operation.find(f"{{*}}{name}")
    return (found.text or "").strip() if found is not None else ""


def _target(operation: Element, name: str) -> str:
    """The datastore that is named in `source` or `target`."""
    around = operation.find(f"{{{BASE}}}{name}")
    inner = children(around) if around is not None else []
    target = etree.QName(inner[0]).localname if inner else ""
    if target not in ("running", "candidate"):
        raise RpcFailure("invalid-value", f"there is no datastore {target!r}", kind="protocol")
    return target


def _error(failure: RpcFailure) -> str:
    path = f"<error-path>{escape(failure.path)}</error-path>" if failure.path else ""
    info = f"<error-info>{failure.info}</error-info>" if failure.info else ""
    return (
        f"<rpc-error><error-type>{failure.kind}</error-type><error-tag>{failure.tag}</error-tag>"
        f"<error-severity>error</error-severity>{path}"
        f'<error-message xml:lang="en">{escape(failure.message)}</error-message>{info}</rpc-error>'
    )


async def serve(site: Site, device: LabDevice) -> NetconfServer:
    """NETCONF over SSH on a port of its own."""
    ssh = await site.ssh()
    listener = await site.listen(ssh.connection, device)
    server = NetconfServer(device, listener)
    ssh.devices[server.port] = device
    ssh.netconf[server.port] = functools.partial(NetconfSession, server)
    return server
