# SPDX-License-Identifier: Apache-2.0
"""Two processes make sure of each other; without sockets, but for the last ones."""

from __future__ import annotations

import socket
import threading

import pytest

from aioconn.broker.frames import (
    VERSION,
    Challenge,
    Hello,
    Inbox,
    Proof,
    Refused,
    Target,
    Value,
    Welcome,
    encode,
)
from aioconn.broker.handshake import NONCE, Guest, Host, greet, new_token
from aioconn.errors import BrokerGone, BrokerRefused

TOKEN = new_token()
TARGET = Target("device", 7)


def test_both_sides_believe_each_other() -> None:
    guest, host = Guest(TOKEN, TARGET), Host(TOKEN)
    hello = guest.hello()
    assert hello.target == TARGET
    challenge = host.challenge(hello)
    proof = guest.take(challenge)
    assert isinstance(proof, Proof)
    assert host.believes(proof)
    assert guest.take(Welcome(3)) == 3


def test_the_token_is_in_nothing_that_is_sent() -> None:
    guest, host = Guest(TOKEN, TARGET), Host(TOKEN)
    challenge = host.challenge(guest.hello())
    proof = guest.take(challenge)
    assert isinstance(proof, Proof)
    for frame in (guest.hello(), challenge, proof):
        assert TOKEN not in encode(frame)


def test_a_wrong_token_is_noticed_by_either_side() -> None:
    guest, host = Guest(new_token()), Host(TOKEN)
    challenge = host.challenge(guest.hello())
    with pytest.raises(BrokerRefused, match="another one"):
        guest.take(challenge)
    # one who does not care who listens gets no further
    for mac in (b"\0" * 32, challenge.mac, challenge.nonce, b"", challenge.mac[:16]):
        assert not host.believes(Proof(mac))


def test_a_proof_is_worth_nothing_in_another_handshake() -> None:
    guest, host = Guest(TOKEN), Host(TOKEN)
    proof = guest.take(host.challenge(guest.hello()))
    assert isinstance(proof, Proof)
    assert host.believes(proof)
    later = Host(TOKEN)
    later.challenge(guest.hello())  # even with the same nonce of the guest
    assert not later.believes(proof)


def test_a_proof_before_the_greeting_is_none() -> None:
    guest, host = Guest(TOKEN), Host(TOKEN)
    proof = guest.take(Host(TOKEN).challenge(guest.hello()))
    assert isinstance(proof, Proof)
    assert not host.believes(proof)


def test_what_the_host_proved_cannot_be_reflected() -> None:
    """Whoever does not know the token lets the host answer his own challenge."""
    host = Host(TOKEN)
    challenge = host.challenge(Hello(VERSION, b"n" * NONCE, 1, "thief"))
    assert not host.believes(Proof(challenge.mac))
    other = Host(TOKEN).challenge(Hello(VERSION, challenge.nonce, 1, "thief"))
    assert not host.believes(Proof(other.mac))


def test_a_guest_is_not_deceived_by_his_own_nonce() -> None:
    guest = Guest(TOKEN)
    hello = guest.hello()
    mirrored = Host(TOKEN)
    reflected = mirrored.challenge(Hello(VERSION, b"x" * NONCE, 1, "thief"))
    with pytest.raises(BrokerRefused):
        guest.take(Challenge(VERSION, hello.nonce, reflected.mac))


@pytest.mark.parametrize("version", [0, VERSION + 1])
def test_other_versions_are_refused_by_either_side(version: int) -> None:
    with pytest.raises(BrokerRefused, match=f"version {version}"):
        Host(TOKEN).challenge(Hello(version, b"n" * NONCE, 1, "old"))
    with pytest.raises(BrokerRefused, match=f"version {version}"):
        Guest(TOKEN).take(Challenge(version, b"n" * NONCE, b"m" * 32))


@pytest.mark.parametrize("length", [16, NONCE - 1, NONCE + 1])
def test_nonces_have_one_length(length: int) -> None:
    with pytest.raises(BrokerRefused):
        Host(TOKEN).challenge(Hello(VERSION, b"n" * length, 1, "odd"))


def test_refusals_say_why() -> None:
    with pytest.raises(BrokerRefused, match="too many"):
        Guest(TOKEN).take(Refused("too many wires"))
    with pytest.raises(BrokerRefused, match="Value"):
        Guest(TOKEN).take(Value(1))


# ---------------------------------------------------------------------- over a socket


def answered_by(*answers: bytes, token: bytes = TOKEN) -> int:
    """`greet` against somebody who sends these bytes, one after each frame he gets."""
    ours, theirs = socket.socketpair()

    def answer() -> None:
        for data in answers:
            theirs.recv(4096)
            theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)

    other = threading.Thread(target=answer)
    other.start()
    try:
        ours.settimeout(7.0)
        return greet(ours, Inbox("client"), token, TARGET)
    finally:
        assert ours.gettimeout() == 7.0
        ours.close()
        other.join(10)
        theirs.close()


def test_who_welcomes_without_a_proof_is_not_believed() -> None:
    with pytest.raises(BrokerRefused, match="prove"):
        answered_by(encode(Welcome(1)))


def test_what_is_no_broker_is_refused() -> None:
    with pytest.raises(BrokerRefused, match="like a broker"):
        answered_by(b"SSH-2.0-OpenSSH_9.2\r\n")


def test_an_end_in_the_middle_is_told_from_a_refusal() -> None:
    with pytest.raises(BrokerGone):
        answered_by(b"")
    with pytest.raises(BrokerRefused, match="no room"):
        answered_by(encode(Refused("no room")))


def test_silence_has_a_deadline() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(BrokerGone, match=r"within 0\.05 s"):
        greet(ours, Inbox("client"), TOKEN, None, timeout=0.05)


def test_all_of_it_over_a_socket() -> None:
    ours, theirs = socket.socketpair()
    believed: list[bool] = []

    def host() -> None:
        inbox, side = Inbox("porter"), Host(TOKEN)
        while True:
            for frame in inbox.feed(theirs.recv(4096)):
                if isinstance(frame, Hello):
                    theirs.sendall(encode(side.challenge(frame)))
                elif isinstance(frame, Proof):
                    believed.append(side.believes(frame))
                    theirs.sendall(encode(Welcome(5)))
                    return

    other = threading.Thread(target=host)
    other.start()
    with ours, theirs:
        assert greet(ours, Inbox("client"), TOKEN, TARGET) == 5
        other.join(10)
    assert believed == [True]
