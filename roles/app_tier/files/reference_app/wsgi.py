# SPDX-License-Identifier: GPL-3.0-or-later
"""What gunicorn calls: the reference application with the settings of its environment."""

import os

from reference.web import create_app

application = create_app(os.environ)
