# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's AWS API: moto with the behaviour that this project needs and moto lacks.

Run it with `python -m sandbox.emulator`; state lives in the process and ends with it.
"""

import os

# moto reads its settings while it is imported, so they stand before the first module of this package that can import it.
os.environ.update(
    MOTO_IAM_LOAD_MANAGED_POLICIES="true",  # roles attach AWS managed policies such as AmazonSSMManagedInstanceCore
    MOTO_EC2_LOAD_DEFAULT_AMIS="false",  # 1300 foreign images per region take seconds; the sandbox registers its own
    MOTO_DISABLE_GLOBAL_CORS="true",  # no browser talks to it
)
