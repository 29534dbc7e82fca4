# SPDX-License-Identifier: Apache-2.0
"""Why a goal may be missed: what takes the difference, said where it is. Without numbers, which belong to a run."""

from __future__ import annotations

COMMAND = (
    "Beyond the bytes there and back, each command waits its turn on the session, has a deadline, has its"
    " echo taken off and the end of its output compared with the device's own prompt, is searched for the"
    " platform's failure lines, and becomes text that knows its command and how long it took. The floor"
    " writes, and waits for the last character."
)
TELNET_COMMAND = (
    "What a command takes beyond its bytes is the same as over SSH, without the cryptography beside which it"
    " looks small."
)
SSH_VISIT = (
    "The handshake is asyncssh's on both sides of the comparison. What comes on top are callbacks, timers and"
    " tasks that the floor has no use for: a deadline for the connect and one for each command, the device's"
    " limits of sessions and logins, a prompt that is learned before the first command, and what brings a"
    " session back after a command that was cut short. The floor waits for ever and has none of these."
)
SSH_VISIT_WALL = "One process keeps one core busy: wall time follows CPU."
TELNET_VISIT = (
    "A telnet device is so cheap for the floor that what every session has weighs most here: the state of"
    " telnet's negotiation, the login as a dialogue instead of two lines known beforehand, a prompt that is"
    " learned, deadlines, and the device's limits."
)
TWO_PROCESSES = (
    "There are two cores for two processes and for the simulated devices (last column). What visits take on"
    " both sides, shared out perfectly over two cores, is about what the goal allows: nothing is left for"
    " handing out devices and results, or for a moment in which a core has nothing to do."
)
SCALING = (
    "Results are kept to the end, and the more objects live, the longer each collection of garbage takes that"
    " looks at them."
)
WAITING = (
    "All devices are connected to at once before anybody thinks, and what ours take longer for that on one"
    " core than the floor's is not hidden by the second that follows."
)
BULK = (
    "The floor keeps bytes as they came. Ours become text, and more than half of the difference is line ends: they are"
    " made one kind, and made back again for a comparison, because the bytes can be asked for and are not kept"
    " beside the text. The rest is looking for control characters, decoding, and what is done for each piece"
    " that arrives. Memory that is new to the process costs both the same: two copies of the output, whose"
    " pages the system clears."
)
FLAT = (
    "The search for the prompt costs the same at any size, and so does making text. A small answer has the"
    " cost of its command, and of the first bytes on a new connection, spread over few bytes, as the floor's"
    " has; a large one lives in memory that the system clears first."
)
IDLE = (
    "A session is more than its connection: its device with the manager, limits and events, options, prompt"
    " patterns, and what a recovery needs; and for SSH also what asyncssh keeps for each connection, which is"
    " the floor."
)
SECOND = (
    "A channel saves the key exchange and the login, not the shell: the first prompt is learned and paging"
    " switched off on each session."
)
GATE = (
    "A turn of `asyncio.Semaphore` counts down and up again. A turn of the pool chooses the session, writes"
    " down who holds it and since when, because a timeout says so, and hands it to the next in line. That is"
    " Python too, so that a few more lines are a few times as long."
)
THREADS = (
    "Most of such a call is waking up: the loop is woken, does its work, and wakes the thread. `wake-up` in"
    " the table does this and nothing else, and no facade can be quicker than that."
)
SCRIPT = (
    "The loop runs in another thread, and each result is handed from there to the script's: both want the"
    " same interpreter in turns."
)
CHILDREN = (
    "A call of a child names the object and the service, goes through the same checks, deadline and turn as a"
    " call of the parent, and its answer comes with the type of its value. The floor echoes a message."
)
ENGINE = (
    "The search for the prompt is the same at any size. A small answer has its fixed cost spread over few"
    " bytes; for a large one the system hands out pages of memory that it has to clear first."
)
NETCONF = (
    "The floor parses each answer once and looks at nothing in it. Ours also checks the frames, sees to it"
    " that an answer belongs to its call and is no error, keeps a deadline for each call, and connects as over"
    " SSH: limits, the device's capabilities."
)
NETCONF_CALLS = (
    "Several calls under way save the waiting, which is all that can be saved: what is left for both is"
    " lxml's reading of the answer and the cryptography, and ncclient's asynchronous mode saves the waiting"
    " too. The floor, which checks nothing, is the most that there is to win (first row)."
)
SNMP_WALK = (
    "Each value of an answer is decoded to its type, and its name compared with the one before, so that an"
    " agent that goes in circles is noticed. That is Python on both sides."
)
REST = (
    "Both have a client, a connection and a login for each device, and short answers: what is compared is the"
    " work around them."
)
GNMI = (
    "pygnmi calls gRPC's core from a thread that waits in it. Calls of a loop go through `grpc.aio`, as those"
    " of the floor do: each event of the core wakes the loop, which then wakes the caller."
)
GNMI_CPU = (
    "Most of such a call is gRPC's on both sides (the floor, which neither makes nor reads messages). What is"
    " left is reading the updates and giving them to the caller as values."
)
CANCEL = (
    "The session is proven before the next command gets it: what was cut is interrupted, and a word that no"
    " device says by itself has to come back first."
)
