# SPDX-License-Identifier: Apache-2.0
"""gNMI (gRPC Network Management Interface, version 0.10): capabilities, get, set and subscriptions."""
