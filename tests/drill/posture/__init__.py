# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scanner of others finds in an environment, and why some of it is no fault."""
