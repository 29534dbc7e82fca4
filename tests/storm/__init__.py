# SPDX-License-Identifier: Apache-2.0
"""A proving ground for pools: a clock that jumps, a device that counts, and users that do their worst.

python -m tests.storm --steps 1000000 --seed 7      a random storm, audited after every step
python -m tests.storm.mutants                       whether the storm and the tests notice planted bugs
"""
