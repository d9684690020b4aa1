# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of objects that AWX is configured with: their lists, natural keys, references and associations.

The names of lists and keys are those of the collection infra.aap_configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

NOTIFICATIONS = ("notification_templates_started", "notification_templates_success", "notification_templates_error")


@dataclass(frozen=True)
class Kind:
    """One kind.

    list: the variable that declares it. path: the API's. references: field -> kind of the one object it names. associations:
    key -> kind of the objects it lists. texts: fields that are a dict here and JSON in a text there. labelled: it can carry our label, so
    what is not declared any more is removed.
    """

    name: str
    list: str
    path: str
    key: tuple[str, ...] = ("name", "organization")
    references: Mapping[str, str] = field(default_factory=dict)
    associations: Mapping[str, str] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    survey: bool = False
    nodes: bool = False
    labelled: bool = False


ORGANIZATION = {"organization": "organization"}
TEMPLATE = {"labels": "label", **dict.fromkeys(NOTIFICATIONS, "notification_template")}

# In the order in which they refer to one another.
KINDS: tuple[Kind, ...] = (
    Kind("organization", "aap_organizations", "organizations/", key=("name",)),
    Kind("team", "aap_teams", "teams/", references=ORGANIZATION),
    Kind("label", "controller_labels", "labels/", references=ORGANIZATION),
    Kind("credential_type", "controller_credential_types", "credential_types/", key=("name",)),
    Kind(
        "credential",
        "controller_credentials",
        "credentials/",
        references={**ORGANIZATION, "credential_type": "credential_type"},
    ),
    Kind(
        "execution_environment",
        "controller_execution_environments",
        "execution_environments/",
        key=("name",),
        references={**ORGANIZATION, "credential": "credential"},
    ),
    Kind("notification_template", "controller_notifications", "notification_templates/", references=ORGANIZATION),
    Kind(
        "project",
        "controller_projects",
        "projects/",
        references={**ORGANIZATION, "credential": "credential", "default_environment": "execution_environment"},
    ),
    Kind("inventory", "controller_inventories", "inventories/", references=ORGANIZATION, texts=("variables",)),
    Kind(
        "inventory_source",
        "controller_inventory_sources",
        "inventory_sources/",
        key=("name", "inventory"),
        references={
            "inventory": "inventory",
            "source_project": "project",
            "credential": "credential",
            "execution_environment": "execution_environment",
        },
        texts=("source_vars",),
    ),
    Kind(
        "job_template",
        "controller_templates",
        "job_templates/",
        references={**ORGANIZATION, "project": "project", "inventory": "inventory", "execution_environment": "execution_environment"},
        associations={"credentials": "credential", **TEMPLATE},
        texts=("extra_vars",),
        survey=True,
        labelled=True,
    ),
    Kind(
        "workflow",
        "controller_workflows",
        "workflow_job_templates/",
        references=ORGANIZATION,
        associations={**TEMPLATE, "notification_templates_approvals": "notification_template"},
        texts=("extra_vars",),
        survey=True,
        nodes=True,
        labelled=True,
    ),
    Kind(
        "schedule",
        "controller_schedules",
        "schedules/",
        key=("name", "unified_job_template"),
        references={"unified_job_template": "template"},
    ),
)
BY_NAME = {kind.name: kind for kind in KINDS}
ROLES = "controller_roles"
LISTS = (*(kind.list for kind in KINDS), ROLES)
# Keys of a declaration that are no field of the API: they are written by requests of their own.
SURVEY, NODES = "survey_spec", "simplified_workflow_nodes"
EDGES = ("success_nodes", "failure_nodes", "always_nodes")
# What controller_roles calls the objects of a role -> their kind.
ROLE_OBJECTS = {"job_templates": "job_template", "workflows": "workflow"}
# A value that AWX does not show.
ENCRYPTED = "$encrypted$"
# Fields that hold secrets, by their names.
SECRET = re.compile(r"password|secret|token|private_key|ssh_key|api_key", re.IGNORECASE)
