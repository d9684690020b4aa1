# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference application: a small real user of every backend that the platform gives to an application."""
