# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's AWS API: moto with the behaviour that this project needs and moto lacks.

Run it with `python -m sandbox.emulator`; state lives in the process and ends with it.
"""
