# SPDX-License-Identifier: Apache-2.0
"""A fan-out over several processes: interpreters that this one starts, gives devices to, and ends.

`rota` says who gets which device, and does no I/O. `specs` and `errands` say what a device and a piece of work are on
the wire, whose frames and values are the broker's. `post` is a worker as its owner sees it, `worker` the same from
inside, `crew` all of them together.
"""
