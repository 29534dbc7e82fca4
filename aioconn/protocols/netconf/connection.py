# SPDX-License-Identifier: Apache-2.0
"""A NETCONF session with a device."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from typing import Literal, Self

from aioconn.connection import pipelined, streaming
from aioconn.errors import AioconnError
from aioconn.home import call_at_home, carry_iterator
from aioconn.protocols.netconf.conversation import Conversation
from aioconn.protocols.netconf.operations import Defaults, Namespaces, Operations
from aioconn.protocols.netconf.values import Notification, Reply
from aioconn.protocols.netconf.xml import Xml


class NetconfConnection(Conversation):
    """A NETCONF session (RFC 6241) with a device. Several calls may be under way at once.

    Calls raise `RpcError` for what the device refuses, `NotCapable` before anything is sent for what it does not
    announce, `InvalidOption` for what is wrong in the call itself, `CommandTimeout` after `timeout` seconds,
    `BadReply` when what comes is not NETCONF. After a timeout or a cancel the device may still do what it was asked
    for; its answer is dropped. With `idempotent` a call that met the end of the session is made again on a new one.
    """

    # ------------------------------------------------------------------ what is known of the session

    @pipelined
    async def capabilities(self, *, timeout: float | None = None) -> tuple[str, ...]:
        """The URIs of what the device announces, as it did when the session was opened."""
        return tuple(self._live().capabilities)

    # ------------------------------------------------------------------ reading

    @pipelined
    async def get(
        self,
        filter: Xml | None = None,
        *,
        xpath: str | None = None,
        namespaces: Namespaces | None = None,
        with_defaults: Defaults | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> Reply:
        """Configuration and state (RFC 6241, section 7.7). `filter` is a subtree: XML text, a mapping, or an element;
        `xpath` filters instead where the device can, with the `namespaces` of its prefixes."""
        operation = self._operations().get(
            filter, xpath=xpath, namespaces=namespaces, with_defaults=with_defaults
        )
        return await self._ask(operation)

    @pipelined
    async def get_config(
        self,
        source: str = "running",
        filter: Xml | None = None,
        *,
        xpath: str | None = None,
        namespaces: Namespaces | None = None,
        with_defaults: Defaults | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> Reply:
        """The configuration of a datastore, or of a URL (RFC 6241, section 7.1). Filters as in `get`."""
        operation = self._operations().get_config(
            source, filter, xpath=xpath, namespaces=namespaces, with_defaults=with_defaults
        )
        return await self._ask(operation)

    @pipelined
    async def get_data(
        self,
        datastore: str = "operational",
        filter: Xml | None = None,
        *,
        xpath: str | None = None,
        namespaces: Namespaces | None = None,
        config: bool | None = None,
        max_depth: int | None = None,
        with_defaults: Defaults | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> Reply:
        """What is in a datastore of RFC 8342 (RFC 8526, section 3.1). `config` True gives configuration only, False
        state only; `max_depth` counts levels."""
        operation = self._operations().get_data(
            datastore,
            filter,
            xpath=xpath,
            namespaces=namespaces,
            config=config,
            max_depth=max_depth,
            with_defaults=with_defaults,
        )
        return await self._ask(operation)

    @pipelined
    async def get_schema(
        self,
        identifier: str,
        version: str | None = None,
        *,
        format: str | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> str:
        """The text of a YANG module as the device has it (RFC 6022, section 3)."""
        reply = await self._ask(self._operations().get_schema(identifier, version, format))
        return "".join(reply.data.itertext())  # type: ignore[arg-type]  # text nodes are texts

    @streaming
    def stream_get(
        self,
        filter: Xml | None = None,
        *,
        xpath: str | None = None,
        namespaces: Namespaces | None = None,
        with_defaults: Defaults | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[str, None]:
        """`get` for what is too large to hold: the text of the whole rpc-reply in pieces, in constant memory.

        The session serves nobody else meanwhile. `timeout` (else the option) bounds the wait for a turn and for each
        piece. The pieces are checked for nothing but rpc-errors: a parser that takes them is what tells well-formed
        XML. A consumer that leaves early should close the iterator (`contextlib.aclosing`); what still comes is
        dropped.
        """

        def write(operations: Operations) -> str:
            return operations.get(filter, xpath=xpath, namespaces=namespaces, with_defaults=with_defaults)

        return self._stream("stream_get", write, timeout)

    @streaming
    def stream_get_config(
        self,
        source: str = "running",
        filter: Xml | None = None,
        *,
        xpath: str | None = None,
        namespaces: Namespaces | None = None,
        with_defaults: Defaults | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[str, None]:
        """`get_config` for what is too large to hold, as `stream_get`."""

        def write(operations: Operations) -> str:
            return operations.get_config(
                source, filter, xpath=xpath, namespaces=namespaces, with_defaults=with_defaults
            )

        return self._stream("stream_get_config", write, timeout)

    # ------------------------------------------------------------------ changing

    @pipelined
    async def edit_config(
        self,
        config: Xml | None = None,
        *,
        target: str | None = None,
        url: str | None = None,
        default_operation: Literal["merge", "replace", "none"] | None = None,
        test_option: Literal["test-then-set", "set", "test-only"] | None = None,
        error_option: Literal["stop-on-error", "continue-on-error", "rollback-on-error"] | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """Change a datastore (RFC 6241, section 7.2): by default the candidate where there is one, else running.
        `config` is XML text, a mapping or an element, with or without `<config>` around it."""
        operation = self._operations().edit_config(
            config,
            target=target,
            url=url,
            default_operation=default_operation,
            test_option=test_option,
            error_option=error_option,
        )
        return await self._ask(operation)

    @pipelined
    async def copy_config(self, source: Xml, target: str, *, timeout: float | None = None) -> Reply:
        """Replace a datastore by another one, or by XML (RFC 6241, section 7.3)."""
        return await self._ask(self._operations().copy_config(source, target))

    @pipelined
    async def delete_config(self, target: str, *, timeout: float | None = None) -> Reply:
        """Delete a datastore (RFC 6241, section 7.4)."""
        return await self._ask(self._operations().delete_config(target))

    @pipelined
    async def validate(self, source: Xml | None = None, *, timeout: float | None = None) -> Reply:
        """Let the device check a datastore, or XML, before it counts (RFC 6241, section 8.6)."""
        operations = self._operations()
        return await self._ask(operations.validate(operations.default_target if source is None else source))

    @pipelined
    async def commit(
        self,
        *,
        confirmed: bool = False,
        confirm_timeout: int | None = None,
        persist: str | None = None,
        persist_id: str | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """Make the candidate the running configuration (RFC 6241, section 8.3.4).

        `confirmed`: only for `confirm_timeout` seconds (600 if it is not said), unless another commit follows; the
        end of the session takes it back as well, unless `persist` names it, by which name any session can confirm it
        (`persist_id`).
        """
        operation = self._operations().commit(
            confirmed=confirmed, confirm_timeout=confirm_timeout, persist=persist, persist_id=persist_id
        )
        return await self._ask(operation)

    @pipelined
    async def cancel_commit(self, persist_id: str | None = None, *, timeout: float | None = None) -> Reply:
        """Take a commit back that was to be confirmed (RFC 6241, section 8.4.4.1)."""
        return await self._ask(self._operations().cancel_commit(persist_id))

    @pipelined
    async def discard_changes(self, *, timeout: float | None = None) -> Reply:
        """Make the candidate what is running (RFC 6241, section 8.3.4.2)."""
        return await self._ask(self._operations().discard_changes())

    @pipelined
    async def lock(self, target: str | None = None, *, timeout: float | None = None) -> Reply:
        """Keep other sessions, of all protocols, from changing a datastore (RFC 6241, section 7.5); by default the
        candidate where there is one. A call that ends early unlocks what it may have locked."""
        session = self._live()
        target = target or session.operations.default_target
        reply_is_lost = session.operations.unlock(target)
        try:
            reply = await self._ask(session.operations.lock(target))
        except AioconnError:
            raise
        except BaseException:
            session.send_unheard(reply_is_lost)
            raise
        self._locks.add(target)
        return reply

    @pipelined
    async def unlock(self, target: str | None = None, *, timeout: float | None = None) -> Reply:
        """Give a lock back (RFC 6241, section 7.6)."""
        operations = self._operations()
        target = target or operations.default_target
        reply = await self._ask(operations.unlock(target))
        self._locks.discard(target)
        return reply

    @contextlib.asynccontextmanager
    async def locked(
        self, target: str | None = None, *, discard: bool = True, timeout: float | None = None
    ) -> AsyncIterator[Self]:
        """`async with connection.locked("candidate"):` the datastore is locked, and the session is for this block
        alone.

        Whatever way it ends, also by a cancel, the lock is given back; a block that ends with an error discards what it
        changed in the candidate (unless `discard` is False). A session that breaks in between is not reopened in the
        block. `timeout` bounds the wait for the session, and each of the calls.
        """
        async with self.transaction(timeout=timeout):
            await self.lock(target, timeout=timeout)
            session = self._session
            try:
                yield self
                await self.unlock(target, timeout=timeout)
            except BaseException:
                call_at_home(self._loop, self._let_go, session, target, discard)
                raise

    @pipelined
    async def kill_session(self, session_id: int, *, timeout: float | None = None) -> Reply:
        """End another session, whatever it holds (RFC 6241, section 7.9)."""
        return await self._ask(self._operations().kill_session(session_id))

    # ------------------------------------------------------------------ the device's own, and events

    @pipelined
    async def rpc(self, operation: Xml, *, timeout: float | None = None, idempotent: bool = False) -> Reply:
        """Any operation: XML (text, mapping, element), or the bare name of an element: `rpc("get-chassis-inventory")`.
        What has no namespace is in that of NETCONF."""
        return await self._ask(self._operations().other(operation))

    @streaming
    async def subscribe(
        self,
        stream: str | None = None,
        *,
        filter: Xml | None = None,
        xpath: str | None = None,
        namespaces: Namespaces | None = None,
        start: datetime | None = None,
        stop: datetime | None = None,
        idle: float | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[Notification, None]:
        """The device's notifications while they come (RFC 5277), until `stop`, the end of the session, or for ever.

        `start` replays what was. `idle` is how many seconds to wait for each before `CommandTimeout`; None waits as
        long as the session lives. `timeout` bounds the beginning. Where the device does not announce :interleave, the
        session takes no calls meanwhile: connect another alias for those. There is no way to end a subscription but
        to end its session: who leaves early (use `contextlib.aclosing`) makes it be replaced when nobody is using it.
        """

        def write(operations: Operations) -> str:
            return operations.create_subscription(
                stream, filter, xpath=xpath, namespaces=namespaces, start=start, stop=stop
            )

        self._check_usable()
        async with contextlib.aclosing(
            carry_iterator(self._home(), self._subscribe, write, idle, timeout)
        ) as events:
            async for event in events:
                yield event
