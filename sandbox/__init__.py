# SPDX-License-Identifier: GPL-3.0-or-later
"""A local cloud: AWS's API in an emulator, and a real container behind every instance, load balancer, database and cache."""
