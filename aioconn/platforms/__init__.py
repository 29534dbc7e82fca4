# SPDX-License-Identifier: Apache-2.0
"""What operating systems show and take on their command lines, one YAML file each."""
