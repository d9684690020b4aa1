#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: alertmanager_silence
version_added: 0.3.0
short_description: Keep Alertmanager from telling what is done on purpose
description:
  - Sets a silence, or ends it. A silence is known by its comment and its matchers; it ends by itself, so that a run which is killed leaves
    none for ever.
  - One that has more than half of its time left is left alone; one with less gets all of it again.
options:
  url:
    description: Where Alertmanager answers.
    type: str
    required: true
  state:
    description: Whether there is a silence.
    type: str
    choices: [present, absent]
    default: present
  comment:
    description: Why, and by whom it is known, such as the id of a run.
    type: str
    required: true
  and_those:
    description:
      - With O(state=absent), silences of the same matchers whose comment begins with this end too. Who holds a lease that one run holds at
        a time ends so what runs have left that were killed.
    type: str
  matchers:
    description: Label to value; alerts that have all of these are not told.
    type: dict
    required: true
  minutes:
    description: How long it lasts from now on. Needed unless O(state=absent).
    type: int
  created_by:
    description: Who sets it.
    type: str
    default: ansible
  username:
    description: The name with which Alertmanager is asked.
    type: str
  password_file:
    description: The file, on the host on which the module runs, that holds the password for it.
    type: path
  validate_certs:
    description: Whether Alertmanager's certificate has to be signed by an authority that the host trusts.
    type: bool
    default: true
  timeout_seconds:
    description: How long to wait for an answer.
    type: int
    default: 15
attributes:
  check_mode:
    description: Asks which silences there are, and sets or ends none.
    support: full
  diff_mode:
    description: Returns the silence before and after.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Be silent about hosts that are patched
  indivillage.infra.alertmanager_silence:
    url: https://localhost:9093
    username: prometheus
    password_file: /run/host-secrets/scrape-password
    validate_certs: false # the certificate is the instance's own
    comment: run 20260102T030405Z-1a2b3c
    matchers: {environment: production, tier: web}
    minutes: 30

- name: Tell everything again
  indivillage.infra.alertmanager_silence:
    url: https://localhost:9093
    username: prometheus
    password_file: /run/host-secrets/scrape-password
    validate_certs: false
    state: absent
    comment: run 20260102T030405Z-1a2b3c
    and_those: "run "
    matchers: {environment: production, tier: web}
"""

RETURN = r"""
silence:
  description: The silence. Empty when there is none. In check mode as it would become, without an id where it is new.
  returned: always
  type: dict
  contains:
    id:
      description: By what Alertmanager knows it.
      type: str
      sample: 5c2d1f0e-8f5d-4b0e-9c43-0a4f3d1c2b7a
    ends_at:
      description: When it ends by itself, in UTC.
      type: str
      sample: "2026-01-02T03:34:05+00:00"
  sample: {id: 5c2d1f0e-8f5d-4b0e-9c43-0a4f3d1c2b7a, ends_at: "2026-01-02T03:34:05+00:00"}
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import HTTPError

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

Silence = dict[str, Any]


class Alertmanager:
    """The API of one Alertmanager, version 2."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.url = module.params["url"].rstrip("/") + "/api/v2/"

    def ask(self, method: str, path: str, body: Silence | None = None) -> Any:
        """What is answered; nothing when the answer is empty."""
        given = self.module.params
        try:
            answer = open_url(
                self.url + path,
                method=method,
                data=json.dumps(body) if body is not None else None,
                headers={"Content-Type": "application/json"},
                timeout=given["timeout_seconds"],
                validate_certs=given["validate_certs"],
                force_basic_auth=bool(given["username"]),
                **self.login(),
            )
            text = answer.read().decode()
        except HTTPError as error:
            self.fail(f"answers {method} {path} with {error.code}: {error.read().decode(errors='replace')[:300].strip()}")
        except OSError as error:
            self.fail(f"cannot be reached: {error}")
        return json.loads(text) if text.strip() else None

    def login(self) -> dict[str, str]:
        """Name and password, as `open_url` takes them."""
        given = self.module.params
        if not given["username"]:
            return {}
        try:
            return {"url_username": given["username"], "url_password": Path(given["password_file"]).read_text(encoding="utf-8").strip()}
        except OSError as error:
            self.module.fail_json(
                msg=f"password_file cannot be read: {error}. Name the file that holds the password of {given['username']}."
            )
            raise  # never reached

    def fail(self, what: str) -> NoReturn:
        self.module.fail_json(
            msg=f"Alertmanager at {self.module.params['url']} {what}. Look at the unit prometheus-alertmanager, and who may ask it."
        )
        raise AssertionError  # never reached

    def silences(self, known: Callable[[str], bool], matchers: list[Silence]) -> list[Silence]:
        """Those that are known by their comment and have these matchers, and have not ended."""
        return [
            silence
            for silence in self.ask("GET", "silences")
            if known(silence["comment"])
            and silence["status"]["state"] != "expired"
            and sorted(silence["matchers"], key=str) == sorted(matchers, key=str)
        ]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def shown(silence: Silence | None) -> Silence:
    """A silence as results tell it."""
    return {"id": silence.get("id", ""), "ends_at": moment(silence["endsAt"]).isoformat(timespec="seconds")} if silence else {}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "comment": {"type": "str", "required": True},
            "and_those": {"type": "str"},
            "matchers": {"type": "dict", "required": True},
            "minutes": {"type": "int"},
            "created_by": {"type": "str", "default": "ansible"},
            "username": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "validate_certs": {"type": "bool", "default": True},
            "timeout_seconds": {"type": "int", "default": 15},
        },
        required_if=[("state", "present", ("minutes",))],
        required_together=[("username", "password_file")],
        supports_check_mode=True,
    )
    given = module.params
    if not given["matchers"] or not all(given["matchers"].values()):
        module.fail_json(msg="matchers has no label, or one without a value, and would silence everything. Give each label its value.")
    alertmanager = Alertmanager(module)
    matchers = [{"name": name, "value": str(value), "isRegex": False, "isEqual": True} for name, value in given["matchers"].items()]
    absent, others = given["state"] == "absent", given["and_those"]
    if others is not None and (not others or not absent):
        module.fail_json(
            msg="and_those is given without state=absent, or is empty, which would be all of them. Give the beginning of comments."
        )

    def known(comment: str) -> bool:
        return comment == given["comment"] or bool(others and comment.startswith(others))

    found = alertmanager.silences(known, matchers)
    if absent:
        for silence in found if not module.check_mode else []:
            alertmanager.ask("DELETE", f"silence/{silence['id']}")
        module.exit_json(changed=bool(found), silence={}, diff={"before": [shown(one) for one in found], "after": []})
    now, length = datetime.now(UTC), timedelta(minutes=given["minutes"])
    before = found[0] if found else None
    if before and moment(before["endsAt"]) - now > length / 2:
        module.exit_json(changed=False, silence=shown(before))
    after: Silence = {
        "matchers": matchers,
        "comment": given["comment"],
        "createdBy": given["created_by"],
        "startsAt": before["startsAt"] if before else now.isoformat(),
        "endsAt": (now + length).isoformat(),
        **({"id": before["id"]} if before else {}),
    }
    if not module.check_mode:
        after["id"] = alertmanager.ask("POST", "silences", after)["silenceID"]
    module.exit_json(changed=True, silence=shown(after), diff={"before": shown(before), "after": shown(after)})


if __name__ == "__main__":
    main()
