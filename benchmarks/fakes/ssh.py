# SPDX-License-Identifier: Apache-2.0
"""A light SSH device: as little work for each visit as SSH 2 allows, so that the client is what is measured.

It speaks what `ssh_kex` offers, asks for a password, and has shells, as many on a connection as are wanted. What it
does not know ends the connection with a word of why. So does a second key exchange: clients ask for one after
a gigabyte or an hour, which no measurement comes near.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidTag

from benchmarks.fakes import ssh_channel, ssh_kex
from benchmarks.fakes.ssh_channel import Channel
from benchmarks.fakes.ssh_kex import Refused, string, take_string
from benchmarks.target import PASSWORD, USER

_IGNORE, _UNIMPLEMENTED, _DEBUG, _SERVICE_REQUEST, _SERVICE_ACCEPT = 2, 3, 4, 5, 6
_AUTH_REQUEST, _AUTH_FAILURE, _AUTH_SUCCESS = 50, 51, 52
_GLOBAL_REQUEST, _GLOBAL_FAILURE = 80, 82

_LOGIN = string(b"ssh-userauth")
_ACCEPTED = bytes((_SERVICE_ACCEPT,)) + _LOGIN
_RIGHT = b"".join(
    (
        bytes((_AUTH_REQUEST,)),
        *map(string, (USER.encode(), b"ssh-connection", b"password")),
        b"\0" + string(PASSWORD.encode()),
    )
)
_WELCOME = bytes((_AUTH_SUCCESS,))
_WRONG = bytes((_AUTH_FAILURE,)) + string(b"password") + b"\0"
_NO_REQUEST = bytes((_GLOBAL_FAILURE,))

_LONGEST_VERSION, _LONGEST_PACKET = 255, 35_000  # bytes (RFC 4253, 4.2 and 6.1)
_TAG = 16  # bytes
_PIECE = 16 * 1024  # bytes; so many are written before all messages of a piece have been answered
_PADDING = [(bytes((size,)), bytes(size)) for size in range(20)]  # its length, and itself


class _Messages(dict[int, "Callable[[SshDevice, bytes], None]"]):
    """Those that may come now, and what takes them."""

    def __missing__(self, number: int) -> Callable[[SshDevice, bytes], None]:
        raise Refused(f"message {number} is not expected here")


class SshDevice(asyncio.Protocol):
    """Answers all messages of a piece with one write."""

    __slots__ = (
        "_channels",
        "_decrypt",
        "_encrypt",
        "_expected",
        "_held",
        "_nonce_in",
        "_nonce_out",
        "_opened",
        "_reading",
        "_received",
        "_said",
        "_take",
        "_transport",
        "_unwritten",
        "_waiting",
    )

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport
        if hasattr(transport, "max_size"):
            transport.max_size = 16 * 1024  # asyncio's default is a new buffer of 256 KiB for each read
        self._received = b""
        self._take: Callable[[SshDevice, bytes], bytes] = SshDevice._take_version
        self._expected = _OFFER
        self._said: list[bytes] = []  # what the keys are about: the client's version and offer
        self._encrypt: Callable[[bytes, bytes, bytes], bytes] | None = None
        self._channels: dict[int, Channel] = {}
        self._opened = 0
        self._unwritten: list[bytes] = []
        self._waiting = 0
        self._reading = self._held = False
        transport.write(ssh_kex.GREETING)

    def data_received(self, data: bytes) -> None:
        self._reading = True
        try:
            self._received = self._take(self, self._received + data)
        except Refused as error:
            self._refuse(error)
        except (InvalidTag, LookupError, struct.error) as error:
            self._refuse(Refused(f"not understood: {error!r}"))
        self._reading = False
        self._flush()

    def pause_writing(self) -> None:
        self._held = True
        for channel in self._channels.values():
            channel.hold()

    def resume_writing(self) -> None:
        self._held = False
        for channel in self._channels.values():
            channel.release()

    def connection_lost(self, error: Exception | None) -> None:
        for channel in self._channels.values():
            channel.stop()
        self._channels.clear()

    # --- packets: what is whole is taken, what is left given back -----------------------------------------------

    def _take_version(self, data: bytes) -> bytes:
        line, end, rest = data.partition(b"\n")
        begin = b"SSH-2.0-" if end else b"SSH-2.0-"[: len(line)]
        if not line.startswith(begin) or len(line) > _LONGEST_VERSION:
            raise Refused("this is not SSH 2")
        if not end:
            return data
        self._said.append(line.removesuffix(b"\r"))
        self._take = SshDevice._take_plain
        return self._take_plain(rest)

    def _take_plain(self, data: bytes) -> bytes:
        while len(data) > 4:
            end = 4 + _size(data[:4])
            if len(data) < end:
                break
            message, data = data[5 : end - data[4]], data[end:]
            self._expected[message[0]](self, message)
            if self._expected is _SERVICE:  # there are keys
                self._take = SshDevice._take_sealed
                return self._take_sealed(data)
        return data

    def _take_sealed(self, data: bytes) -> bytes:
        at, whole = 0, len(data)
        while whole - at > 4:
            head = data[at : at + 4]
            size = _size(head)
            end = at + 4 + size + _TAG
            if end > whole:
                break
            packet = self._decrypt(self._nonce_in.to_bytes(12, "big"), data[at + 4 : end], head)
            self._nonce_in += 1
            at = end
            message = packet[1 : size - packet[0]]
            self._expected[message[0]](self, message)
        return data[at:]

    def _send(self, message: bytes) -> None:
        if self._encrypt is None:
            packet = ssh_kex.plain(message)
        else:
            length, padding = _PADDING[4 + (-5 - len(message)) % 16]
            clear = length + message + padding
            head = len(clear).to_bytes(4, "big")
            packet = head + self._encrypt(self._nonce_out.to_bytes(12, "big"), clear, head)
            self._nonce_out += 1
        self._unwritten.append(packet)
        self._waiting += len(packet)
        if self._waiting >= _PIECE or not self._reading:
            self._flush()

    def _flush(self) -> None:
        if self._unwritten:
            whole = b"".join(self._unwritten)
            self._unwritten.clear()
            self._waiting = 0
            self._transport.write(whole)

    def _refuse(self, why: Refused) -> None:
        said = string(str(why).encode()) + string(b"")
        self._send(struct.pack(">BI", ssh_kex.DISCONNECT, why.code) + said)
        self._flush()
        self._transport.close()

    # --- messages -----------------------------------------------------------------------------------------------

    def _kexinit(self, message: bytes) -> None:
        ssh_kex.agree(message[17:])  # behind its random bytes
        self._said.append(message)
        self._expected = _PUBLIC_KEY

    def _ecdh_init(self, message: bytes) -> None:
        reply, theirs, ours = ssh_kex.exchange(self._said[0], self._said[1], message)
        self._said.clear()
        self._send(reply)
        self._send(bytes((ssh_kex.NEWKEYS,)))
        self._decrypt, self._nonce_in = theirs.cipher.decrypt, theirs.nonce
        self._encrypt, self._nonce_out = ours.cipher.encrypt, ours.nonce
        self._expected = _NEW_KEYS

    def _newkeys(self, message: bytes) -> None:
        self._expected = _SERVICE

    def _service_request(self, message: bytes) -> None:
        if message[1:] != _LOGIN:
            raise Refused("a login comes first")
        self._send(_ACCEPTED)
        self._expected = _LOGGING_IN

    def _auth_request(self, message: bytes) -> None:
        if message == _RIGHT:
            self._send(_WELCOME)
            self._expected = _LOGGED_IN
        else:
            self._send(_WRONG)

    def _global_request(self, message: bytes) -> None:
        _, at = take_string(message, 1)
        if message[at]:  # an answer is wanted; to those that look whether anybody is there any answer is good
            self._send(_NO_REQUEST)

    def _open(self, message: bytes) -> None:
        kind, at = take_string(message, 1)
        if kind == b"session":
            self._opened += 1
            channel = self._channels[self._opened] = Channel(self._opened, message, self._send)
            if self._held:
                channel.hold()
        else:
            unknown = (
                struct.pack(">I", 3) + string(b"there are sessions here, and nothing else") + string(b"")
            )
            self._send(bytes((ssh_channel.NOT_OPENED,)) + message[at : at + 4] + unknown)

    def _adjust(self, message: bytes) -> None:
        self._channel(message).adjust(message)

    def _data(self, message: bytes) -> None:
        self._channel(message).data(message)

    def _eof(self, message: bytes) -> None:
        self._channel(message).eof()

    def _request(self, message: bytes) -> None:
        self._channel(message).request(message)

    def _close(self, message: bytes) -> None:
        self._channel(message).close()
        del self._channels[_number(message)]

    def _disconnect(self, message: bytes) -> None:
        self._transport.close()

    def _pass(self, message: bytes) -> None:
        """Nobody needs to do anything."""

    def _channel(self, message: bytes) -> Channel:
        return self._channels[_number(message)]


def _number(message: bytes) -> int:
    return int.from_bytes(message[1:5], "big")


def _size(head: bytes) -> int:
    size = int.from_bytes(head, "big")
    if size > _LONGEST_PACKET:
        raise Refused(f"a packet of {size} bytes")
    return size


# One step after the other. Before there are keys nothing else may come: this is strict KEX (OpenSSH's PROTOCOL, 1.10)
# with every client; that packets are numbered anew has no meaning for this cipher.
_OFFER = _Messages({ssh_kex.KEXINIT: SshDevice._kexinit})
_PUBLIC_KEY = _Messages({ssh_kex.ECDH_INIT: SshDevice._ecdh_init})
_NEW_KEYS = _Messages({ssh_kex.NEWKEYS: SshDevice._newkeys})
_ALWAYS = {
    ssh_kex.DISCONNECT: SshDevice._disconnect,
    **dict.fromkeys((_IGNORE, _UNIMPLEMENTED, _DEBUG), SshDevice._pass),
}
_SERVICE = _Messages({**_ALWAYS, _SERVICE_REQUEST: SshDevice._service_request})
_LOGGING_IN = _Messages({**_ALWAYS, _AUTH_REQUEST: SshDevice._auth_request})
_LOGGED_IN = _Messages(
    {
        **_ALWAYS,
        _AUTH_REQUEST: SshDevice._pass,
        _GLOBAL_REQUEST: SshDevice._global_request,
        ssh_channel.OPEN: SshDevice._open,
        ssh_channel.ADJUST: SshDevice._adjust,
        ssh_channel.DATA: SshDevice._data,
        ssh_channel.EOF: SshDevice._eof,
        ssh_channel.CLOSE: SshDevice._close,
        ssh_channel.REQUEST: SshDevice._request,
    }
)
