#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: awx_configuration
version_added: 0.2.0
short_description: Bring AWX to its declaration
description:
  - Takes the lists of the collection C(infra.aap_configuration), finds each object by its natural key, compares it field by field, and
    writes only what differs. Fields that are not declared are left alone.
  - Job templates and workflows that carry O(label) and are not declared are removed, and so are nodes, schedules and grants of declared
    templates that are not. Nothing else is ever removed.
  - Nothing is remembered between runs. A run that ended half way is completed by the next one.
  - Secrets are neither read nor written. What AWX does not show is not compared, and a credential's inputs are refused.
options:
  host:
    description: The server's address. The environment variable E(CONTROLLER_HOST) when left out.
    type: str
    required: true
  token:
    description: An OAuth token of an administrator. The environment variable E(CONTROLLER_OAUTH_TOKEN) when left out.
    type: str
  username:
    description: Whose O(password) is used instead of a token. The environment variable E(CONTROLLER_USERNAME) when left out.
    type: str
  password:
    description: The password. The environment variable E(CONTROLLER_PASSWORD) when left out.
    type: str
  validate_certs:
    description: Whether the server has to prove itself. The environment variable E(CONTROLLER_VERIFY_SSL) when left out.
    type: bool
    default: true
  timeout_seconds:
    description: How long one request may take.
    type: int
    default: 30
  organization:
    description: The organization that is configured. Objects of others are never touched, whatever they are called.
    type: str
    required: true
  label:
    description: The label of what is removed when it is declared no more. Every declared template has to carry it.
    type: str
    required: true
  configuration:
    description:
      - The lists C(aap_organizations), C(aap_teams), C(controller_labels), C(controller_credential_types), C(controller_credentials),
        C(controller_execution_environments), C(controller_notifications), C(controller_projects), C(controller_inventories),
        C(controller_inventory_sources), C(controller_templates), C(controller_workflows) with C(simplified_workflow_nodes),
        C(controller_schedules), C(controller_roles).
    type: dict
    required: true
attributes:
  check_mode:
    description: Says what it would do, also for objects that refer to others which are not there yet.
    support: full
  diff_mode:
    description: Shows the fields that differ, of each object.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Configure AWX
  indivillage.infra.awx_configuration:
    host: https://awx.example.com
    organization: IndiVillage
    label: infrastructure
    configuration:
      aap_organizations:
        - {name: IndiVillage, description: All of it}
      aap_teams:
        - {name: operators, organization: IndiVillage}
"""

RETURN = r"""
changes:
  description: What differed, in the order of writing.
  returned: success
  type: list
  elements: dict
  contains:
    action: {description: "One of create, update, delete, grant, revoke.", type: str, sample: update}
    kind: {description: What it is., type: str, sample: job_template}
    name: {description: What it is called., type: str, sample: production - site - apply}
    fields: {description: The fields that differ., type: list, elements: str, sample: [timeout]}
"""

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible_collections.indivillage.infra.plugins.module_utils.awx_api import Api, AwxError
from ansible_collections.indivillage.infra.plugins.module_utils.awx_kinds import LISTS
from ansible_collections.indivillage.infra.plugins.module_utils.awx_state import State


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"required": True, "fallback": (env_fallback, ["CONTROLLER_HOST"])},
            "token": {"no_log": True, "fallback": (env_fallback, ["CONTROLLER_OAUTH_TOKEN"])},
            "username": {"fallback": (env_fallback, ["CONTROLLER_USERNAME"])},
            "password": {"no_log": True, "fallback": (env_fallback, ["CONTROLLER_PASSWORD"])},
            "validate_certs": {"type": "bool", "default": True, "fallback": (env_fallback, ["CONTROLLER_VERIFY_SSL"])},
            "timeout_seconds": {"type": "int", "default": 30},
            "organization": {"required": True},
            "label": {"required": True},
            "configuration": {"type": "dict", "required": True},
        },
        required_one_of=[("token", "username")],
        required_together=[("username", "password")],
        supports_check_mode=True,
    )
    given = module.params
    unknown = sorted(given["configuration"].keys() - set(LISTS))
    if unknown:
        module.fail_json(msg=f"configuration has {', '.join(unknown)}, which nothing would read. Lists are {', '.join(LISTS)}.")
    if not given["host"].startswith(("https://", "http://")):
        module.fail_json(msg=f"host is {given['host']!r}. Write the server's whole address, such as https://awx.example.com.")
    api = Api(
        given["host"],
        given["token"] or "",
        given["username"] or "",
        given["password"] or "",
        given["validate_certs"],
        given["timeout_seconds"],
    )
    state = State(api, given["label"], given["organization"], writing=not module.check_mode)
    try:
        state.apply(given["configuration"])
    except AwxError as error:
        done = (
            ""
            if module.check_mode or not state.changes
            else f" Done before that: {len(state.changes)} changes; the next run goes on from there."
        )
        module.fail_json(msg=f"AWX is not configured: {str(error).rstrip('.')}.{done}", changed=bool(done), changes=told(state))
    before, after = (side(state, number) for number in (0, 1))
    module.exit_json(changed=bool(state.changes), changes=told(state), diff={"before": before, "after": after})


def side(state: State, number: int) -> dict[str, dict[str, object]]:
    """One side of the difference: objects with the fields that they have there. What is not there is left out."""
    found: dict[str, dict[str, object]] = {}
    for change in state.changes:
        fields = {name: values[number] for name, values in change.fields.items() if values[number] is not None}
        if fields or (change.action == "delete" and number == 0):
            found.setdefault(f"{change.kind} {change.name}", {}).update(fields)
    return found


def told(state: State) -> list[dict[str, object]]:
    return [{"action": one.action, "kind": one.kind, "name": one.name, "fields": sorted(one.fields)} for one in state.changes]


if __name__ == "__main__":
    main()
