# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements, to be started by hand: `make bench`."""
