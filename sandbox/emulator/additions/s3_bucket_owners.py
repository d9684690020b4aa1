# SPDX-License-Identifier: GPL-3.0-or-later
"""The account that a caller expects to own a bucket.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
AWS answers 403 to a request whose expected owner is another than the bucket's. moto 5.2.5 passes the header over, and lets all
accounts into all buckets. Here HeadBucket looks at it.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.s3.responses import S3Response

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(S3Response, "head_bucket")
    def head_bucket(original: Any, self: Any) -> Any:
        answer = original(self)
        expected = self.headers.get("x-amz-expected-bucket-owner")
        if answer[0] == 200 and expected and expected != self.backend.head_bucket(self.bucket_name).account_id:
            return 403, {}, ""
        return answer
