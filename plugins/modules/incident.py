#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: incident
version_added: 0.2.0
short_description: Declare, classify, note and close an incident of an environment
description:
  - Writes the entries of an incident's timeline, each once. Whatever differs from the last classification is a reclassification.
  - Notifies the topic of the severity once per classification. An incident is notified at least once also when a run is killed in between.
  - With O(state=closed) the timeline ends, and its review is written to the bucket, the same again whenever it is repeated.
options:
  name:
    description: Name of the incident, by which everything that is done about it is recorded.
    type: str
    required: true
  state:
    description: Whether it goes on. V(known) only reads, and fails when it is not open.
    type: str
    choices: [open, known, closed]
    default: known
  title:
    description: What happened, in one line. Needed to declare it.
    type: str
  severity:
    description: One of O(severities). Needed to declare it.
    type: str
  classification:
    description: What kind of incident it is, C(unknown) when nobody says so.
    type: str
  commander:
    description: Who leads. The caller when nobody says so.
    type: str
  note:
    description: What has been seen, done or decided. The same note is kept once.
    type: str
  severities:
    description: By severity, C(respond_minutes), and C(escalations) with C(after_minutes), C(when) and C(to).
    type: dict
    default: {}
  topic_prefix:
    description: What the ARN of a topic begins with; the severity follows. Nobody is told when it is empty, which the timeline says.
    type: str
    default: ''
  summary:
    description: What happened, for the review. Needed to close it.
    type: str
  cause:
    description: Why it could happen.
    type: str
    default: ''
  actions:
    description: What is to be done so that it does not happen again.
    type: list
    elements: str
    default: []
  bucket:
    description: The bucket that keeps the review. Needed to close it.
    type: str
extends_documentation_fragment:
  - indivillage.infra.incidents
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Tells what would be written.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Declare an incident
  indivillage.infra.incident:
    environment_name: production
    table: indivillage-production-incidents
    name: 2026-03-01-web-probe
    state: open
    title: Unknown processes on a web server
    severity: high
    classification: intrusion
    severities: {high: {respond_minutes: 30, escalations: [{after_minutes: 120, when: unresolved, to: engineering manager}]}}
    topic_prefix: "arn:aws:sns:us-east-1:123456789012:indivillage-production-"
"""

RETURN = r"""
incident:
  description: What it is now.
  returned: always
  type: dict
  sample: {title: Unknown processes on a web server, severity: high, class: intrusion, closed: ""}
timeline:
  description: Its entries.
  returned: always
  type: list
  elements: dict
added:
  description: What this run has added to it, or would add.
  returned: always
  type: list
  elements: str
  sample: ["Declared as high: Unknown processes on a web server"]
review:
  description: Where the review lies, its digest, and its text.
  returned: when it is closed
  type: dict
  sample: {place: s3://indivillage-production-operations/incidents/2026-03-01-web-probe/review.md, sha256: 9f86d081, text: "# Review"}
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.incident_review import review
from ansible_collections.indivillage.infra.plugins.module_utils.incidents import (
    CLOSED,
    DECLARED,
    NOTE,
    NOTIFIED,
    RECLASSIFIED,
    Entry,
    IncidentLog,
    digest,
    later,
    now,
    standing,
)

SUBJECT_LENGTH = 99  # as AWS takes it, in ASCII
CLASSIFICATION = {"title": "title", "severity": "severity", "classification": "class", "commander": "commander"}


class Incident:
    """One incident on its way through its states."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        self.module = module
        self.params: dict[str, Any] = module.params
        self.name: str = module.params["name"]
        self.sts = aws_client(module, "sts")
        self.log = IncidentLog(aws_client(module, "dynamodb"), self.sts, self.params["table"], self.params["environment_name"])
        self.entries: list[Entry] = []
        self.added: list[str] = []

    def add(self, key: str, kind: str, text: str, details: Entry, at: str = "") -> None:
        """Have an entry in the timeline, of that time or of now."""
        if any(entry["key"] == key for entry in self.entries):
            return
        if self.module.check_mode:
            self.entries.append({"key": key, "at": at or now(), "kind": kind, "text": text, "by": "", "details": details})
        else:
            self.log.append(self.name, key, kind, text, details, at=at)
            self.entries = self.log.timeline(self.name)
        self.added.append(text)

    def declare(self) -> None:
        """Declare it, or classify it anew, note what is to be noted, and tell those whom it concerns."""
        self.entries = self.log.timeline(self.name)
        if not self.entries:
            missing = [name for name in ("title", "severity") if not self.params[name]]
            if missing:
                raise ResourceError(f"it is new, so it needs {' and '.join(missing)}.")
            given = {"class": "unknown", "commander": "", **self._given()}
            given["commander"] = given["commander"] or self.sts.get_caller_identity()["Arn"].rpartition(":")[2]
            moment = now()  # the time to respond counts from the entry's own
            self._classify(DECLARED, DECLARED, given, moment, at=moment)
        else:
            self.entries = self.log.of_open(self.name)
        state = standing(self.entries)
        different = {key: value for key, value in self._given().items() if state[key] != value}
        if different:
            number = sum(entry["kind"] == RECLASSIFIED for entry in self.entries) + 1
            self._classify(f"{RECLASSIFIED}-{number}", RECLASSIFIED, {**state, **different}, state["declared"])
        if self.params["note"]:
            self.add(f"{NOTE}-{digest(self.params['note'].encode())[:16]}", NOTE, self.params["note"], {})
        self._notify()

    def _given(self) -> Entry:
        return {key: self.params[name] for name, key in CLASSIFICATION.items() if self.params[name]}

    def _classify(self, key: str, kind: str, state: Entry, since: str, at: str = "") -> None:
        severity = state["severity"]
        if severity not in self.params["severities"]:
            raise ResourceError(
                f"severity is '{severity}', which is none of {', '.join(self.params['severities'])} (aws_incidents_severities)."
            )
        matrix = self.params["severities"][severity]
        escalations = [{**step, "at": later(since, step["after_minutes"])} for step in matrix["escalations"]]
        told = {name: state[name] for name in ("title", "severity", "class", "commander")}
        details = {**told, "respond_by": later(since, matrix["respond_minutes"]), "escalations": escalations}
        text = f"{kind.capitalize()} as {severity}, {state['class'].replace('_', ' ')}, led by {state['commander']}: {state['title']}"
        self.add(key, kind, text, details, at)

    def _notify(self) -> None:
        """Tell the severity's topic of the last classification; entry after the message, so that it is told at least once."""
        last = [entry for entry in self.entries if entry["kind"] in {DECLARED, RECLASSIFIED}][-1]
        key = f"{NOTIFIED}-{last['key']}"
        if any(entry["key"] == key for entry in self.entries):
            return
        topic = self.params["topic_prefix"] and self.params["topic_prefix"] + last["details"]["severity"]
        text = f"Told {topic.rpartition(':')[2]}" if topic else "Nobody was told: the environment has no topics (aws_monitoring)"
        if topic and not self.module.check_mode:
            subject = f"[{last['details']['severity']}] {self.params['environment_name']}: {last['details']['title']}"
            plain = subject.encode("ascii", "replace").decode()[:SUBJECT_LENGTH]
            aws_client(self.module, "sns").publish(TopicArn=topic, Subject=plain, Message=self._message(last))
        self.add(key, NOTIFIED, text, {})

    def _message(self, last: Entry) -> str:
        details = last["details"]
        steps = [f"{step['at']}: {step['to']}, when it is {step['when']}" for step in details["escalations"]]
        lines = [f"Incident {self.name} of {self.params['environment_name']}", last["text"], f"To be answered by {details['respond_by']}."]
        return "\n".join([*lines, "It is escalated at", *steps, "", *(f"{entry['at']} {entry['text']}" for entry in self.entries)])

    def close(self) -> dict[str, Any]:
        """End its timeline and keep its review."""
        if not self.params["summary"] or not self.params["bucket"]:
            raise ResourceError("to close it, summary and bucket are needed.")
        self.entries = self.log.timeline(self.name)
        if not any(entry["kind"] == CLOSED for entry in self.entries):
            self.entries = self.log.of_open(self.name)
            self.add(CLOSED, CLOSED, "Closed", {name: self.params[name] for name in ("summary", "cause", "actions")})
        blocks = [block for block in self.log.blocks() if block["incident"] == self.name and block["until"] > now()]
        text = self._kept(review(self.name, self.entries, blocks))
        return {"place": f"s3://{self.params['bucket']}/incidents/{self.name}/review.md", "sha256": digest(text.encode()), "text": text}

    def _kept(self, text: str) -> str:
        """The review as the bucket keeps it. It is written once, for what is in force when it is repeated is another thing."""
        s3, where = aws_client(self.module, "s3"), {"Bucket": self.params["bucket"], "Key": f"incidents/{self.name}/review.md"}
        if s3.list_objects_v2(Bucket=where["Bucket"], Prefix=where["Key"]).get("Contents"):
            return str(s3.get_object(**where)["Body"].read().decode())
        if not self.module.check_mode:
            s3.put_object(**where, Body=text.encode(), ContentType="text/markdown; charset=utf-8")
        self.added.append(f"Review kept as s3://{where['Bucket']}/{where['Key']}")
        return text


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            **{key: {"required": True} for key in ("environment_name", "table", "name")},
            "state": {"choices": ["open", "known", "closed"], "default": "known"},
            **{key: {} for key in ("title", "severity", "classification", "commander", "note", "summary", "bucket")},
            "topic_prefix": {"default": ""},
            "severities": {"type": "dict", "default": {}},
            "cause": {"default": ""},
            "actions": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    incident = Incident(module)
    result: dict[str, Any] = {}
    with reporting(module, f"record incident '{incident.name}'"):
        if module.params["state"] == "open":
            incident.declare()
        elif module.params["state"] == "closed":
            result["review"] = incident.close()
        else:
            incident.entries = incident.log.of_open(incident.name)
    module.exit_json(
        changed=bool(incident.added),
        incident=standing(incident.entries),
        timeline=incident.entries,
        added=incident.added,
        diff={"before": {}, "after": {"added": incident.added}} if incident.added else {"before": {}, "after": {}},
        **result,
    )


if __name__ == "__main__":
    main()
