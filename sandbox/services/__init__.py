# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS services that are a container with the real server behind them. Each module satisfies `sandbox.model.Service`."""

from sandbox.model import Service
from sandbox.services import caches, databases, load_balancers

SERVICES: tuple[Service, ...] = (load_balancers, databases, caches)
