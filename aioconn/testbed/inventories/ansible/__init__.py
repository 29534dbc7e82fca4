# SPDX-License-Identifier: Apache-2.0
"""Ansible's inventories: INI and YAML files, and the folders `group_vars` and `host_vars` beside them."""
