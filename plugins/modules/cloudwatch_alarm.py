#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cloudwatch_alarm
version_added: 0.3.0
short_description: Manage a CloudWatch alarm
description:
  - Creates, changes and deletes one alarm with its tags. It watches one metric (O(metric)), an expression over several or the band in which
    one is expected (O(metrics)), or other alarms (O(rule)).
  - Use it instead of M(amazon.aws.cloudwatch_metric_alarm), which knows no tags, no band and no alarms over alarms, and changes an alarm
    with an expression in every run.
  - What the task leaves out has the default given here, also when somebody has set something else.
options:
  name:
    description: Name of the alarm.
    type: str
    required: true
  description:
    description: What it means, for whoever is woken by it.
    type: str
    default: ""
  metric:
    description: The metric that is watched.
    type: dict
    suboptions: &metric
      namespace:
        description: Namespace of the metric.
        type: str
        required: true
      name:
        description: Name of the metric.
        type: str
        required: true
      dimensions:
        description: Of what it is a metric.
        type: dict
        default: {}
      statistic:
        description: V(Average), V(Sum), V(Maximum), V(Minimum), V(SampleCount) or a percentile such as V(p99).
        type: str
        default: Average
      period_seconds:
        description: Time over which the statistic is taken.
        type: int
        default: 300
  metrics:
    description: Metrics and expressions over them. One of them is what is watched; the others have O(metrics[].return_data=false).
    type: list
    elements: dict
    suboptions:
      id:
        description: By what expressions name it.
        type: str
        required: true
      metric:
        description: The metric.
        type: dict
        suboptions: *metric
      expression:
        description: An expression over the others, such as C(100 * errors / requests) or C(ANOMALY_DETECTION_BAND(latency, 2)).
        type: str
      label:
        description: What people call it.
        type: str
      return_data:
        description: Whether it is what is watched, or the band around that.
        type: bool
        default: true
  rule:
    description: Over which other alarms it goes, as C(ALARM("one") AND ALARM("other")).
    type: str
  comparison:
    description: How the value compares with O(threshold), or with the band O(threshold_metric_id), when it is bad.
    type: str
    choices:
      - GreaterThanOrEqualToThreshold
      - GreaterThanThreshold
      - LessThanThreshold
      - LessThanOrEqualToThreshold
      - LessThanLowerOrGreaterThanUpperThreshold
      - LessThanLowerThreshold
      - GreaterThanUpperThreshold
  threshold:
    description: The value that is compared with.
    type: float
  threshold_metric_id:
    description: The band of O(metrics) that is compared with.
    type: str
  evaluation_periods:
    description: Over how many periods the value is looked at.
    type: int
  datapoints_to_alarm:
    description: In how many of these it has to be bad. All of them when left out.
    type: int
  treat_missing_data:
    description: What a period without data counts as.
    type: str
    choices: [missing, breaching, notBreaching, ignore]
    default: missing
  alarm_actions:
    description: ARNs of what is told when it is bad.
    type: list
    elements: str
    default: []
  ok_actions:
    description: ARNs of what is told when it is good again.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Hear of a busy database
  indivillage.infra.cloudwatch_alarm:
    name: indivillage-production-database-cpu
    metric: {namespace: AWS/RDS, name: CPUUtilization, dimensions: {DBInstanceIdentifier: indivillage-production-db}}
    comparison: GreaterThanThreshold
    threshold: 80
    evaluation_periods: 3
    alarm_actions: ["arn:aws:sns:us-east-1:123456789012:indivillage-production-high"]
"""

RETURN = r"""
resource:
  description: The alarm. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the alarm.
      type: str
      returned: when the alarm exists
      sample: arn:aws:cloudwatch:us-east-1:123456789012:alarm:indivillage-production-database-cpu
  sample: {name: indivillage-production-database-cpu, threshold: 80, evaluation_periods: 3}
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run

# What alarms of every kind have, and what those have that watch values: property -> parameter, and what it is when AWS leaves it out.
COMMON = {
    "description": ("AlarmDescription", ""),
    "alarm_actions": ("AlarmActions", []),
    "ok_actions": ("OKActions", []),
    "rule": ("AlarmRule", ""),
}
COMPARED = {
    "comparison": ("ComparisonOperator", ""),
    "threshold": ("Threshold", None),
    "threshold_metric_id": ("ThresholdMetricId", ""),
    "evaluation_periods": ("EvaluationPeriods", None),
    "datapoints_to_alarm": ("DatapointsToAlarm", None),
    "treat_missing_data": ("TreatMissingData", "missing"),
}
STATISTICS = {"Average", "Sum", "Maximum", "Minimum", "SampleCount"}
METRIC = {
    "namespace": {"required": True},
    "name": {"required": True},
    "dimensions": {"type": "dict", "default": {}},
    "statistic": {"default": "Average"},
    "period_seconds": {"type": "int", "default": 300},
}


class Alarm(Resource):
    service = "cloudwatch"
    kind = "alarm"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "description": {"default": ""},
        "metric": {"type": "dict", "options": METRIC},
        "metrics": {
            "type": "list",
            "elements": "dict",
            "options": {
                "id": {"required": True},
                "metric": {"type": "dict", "options": METRIC},
                "expression": {},
                "label": {},
                "return_data": {"type": "bool", "default": True},
            },
            "required_one_of": [("metric", "expression")],
            "mutually_exclusive": [("metric", "expression")],
        },
        "rule": {},
        "comparison": {
            "choices": [
                "GreaterThanOrEqualToThreshold",
                "GreaterThanThreshold",
                "LessThanThreshold",
                "LessThanOrEqualToThreshold",
                "LessThanLowerOrGreaterThanUpperThreshold",
                "LessThanLowerThreshold",
                "GreaterThanUpperThreshold",
            ]
        },
        "threshold": {"type": "float"},
        "threshold_metric_id": {},
        "evaluation_periods": {"type": "int"},
        "datapoints_to_alarm": {"type": "int"},
        "treat_missing_data": {"choices": ["missing", "breaching", "notBreaching", "ignore"], "default": "missing"},
        "alarm_actions": {"type": "list", "elements": "str", "default": []},
        "ok_actions": {"type": "list", "elements": "str", "default": []},
    }
    constraints: ClassVar[dict[str, Any]] = {
        "mutually_exclusive": [("metric", "metrics", "rule"), ("threshold", "threshold_metric_id")],
        "required_by": dict.fromkeys(("metric", "metrics", "threshold", "threshold_metric_id"), ("comparison", "evaluation_periods")),
    }
    properties = ("over_alarms", "metric", "metrics", *COMMON, *COMPARED)
    exact = frozenset({"metric"})
    # An alarm over values and one over alarms are two kinds of thing to AWS, under one name.
    immutable = frozenset({"over_alarms"})
    replaceable = True

    def declared(self) -> Properties:
        given = self.params
        if not (given["metric"] or given["metrics"] or given["rule"]):
            raise ResourceError("it needs one of metric, metrics and rule")
        if not given["rule"] and given["threshold"] is None and not given["threshold_metric_id"]:
            raise ResourceError("it needs one of threshold and threshold_metric_id")
        wanted = {key: given[key] for key in COMMON if key != "rule"} | {"over_alarms": bool(given["rule"])}
        if given["rule"]:
            return wanted | {"rule": given["rule"]}
        wanted |= {key: given[key] for key in COMPARED}
        wanted["datapoints_to_alarm"] = given["datapoints_to_alarm"] or given["evaluation_periods"]
        return wanted | {"metric": given["metric"] or {}, "metrics": given["metrics"] or []}

    def find(self) -> Properties | None:
        found = self.client.describe_alarms(AlarmNames=[self.name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        alarms = [*found.get("MetricAlarms", []), *found.get("CompositeAlarms", [])]
        if not alarms:
            return None
        alarm = alarms[0]
        over_alarms = bool(found.get("CompositeAlarms"))
        known = COMMON if over_alarms else {**COMMON, **COMPARED}
        tags = self.client.list_tags_for_resource(ResourceARN=alarm["AlarmArn"]).get("Tags", [])
        current = {key: alarm.get(name, default) for key, (name, default) in known.items()} | {
            "name": self.name,
            "arn": alarm["AlarmArn"],
            "over_alarms": over_alarms,
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }
        if over_alarms:
            return current
        current["datapoints_to_alarm"] = current["datapoints_to_alarm"] or current["evaluation_periods"]
        queries = [self._read_query(query) for query in alarm.get("Metrics") or []]
        return current | {"metric": self._read_metric(alarm) if alarm.get("MetricName") else {}, "metrics": queries}

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self._put(wanted, Tags=ansible_dict_to_boto3_tag_list(tags))

    def update(self, current: Properties, changes: Properties) -> None:
        self._put(self.declared())  # AWS takes an alarm as a whole

    def delete(self, current: Properties) -> None:
        self.client.delete_alarms(AlarmNames=[self.name])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceARN=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(ResourceARN=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))

    def _put(self, wanted: Properties, **more: Any) -> None:
        known = COMMON if wanted["over_alarms"] else {**COMMON, **COMPARED}
        parameters = {name: wanted[key] for key, (name, _default) in known.items() if wanted.get(key) not in (None, "")} | more
        if wanted["over_alarms"]:
            self.client.put_composite_alarm(AlarmName=self.name, **parameters)
            return
        if wanted["metric"]:
            parameters |= self._write_metric(wanted["metric"])
        else:
            parameters["Metrics"] = [self._write_query(query) for query in wanted["metrics"]]
        self.client.put_metric_alarm(AlarmName=self.name, **parameters)

    @staticmethod
    def _dimensions(metric: Mapping[str, Any]) -> list[dict[str, str]]:
        return [{"Name": name, "Value": str(value)} for name, value in sorted(metric["dimensions"].items())]

    @classmethod
    def _write_metric(cls, metric: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "Namespace": metric["namespace"],
            "MetricName": metric["name"],
            "Dimensions": cls._dimensions(metric),
            "Statistic" if metric["statistic"] in STATISTICS else "ExtendedStatistic": metric["statistic"],
            "Period": metric["period_seconds"],
        }

    @staticmethod
    def _read_metric(alarm: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "namespace": alarm["Namespace"],
            "name": alarm["MetricName"],
            "dimensions": {one["Name"]: one["Value"] for one in alarm.get("Dimensions", [])},
            "statistic": alarm.get("Statistic") or alarm.get("ExtendedStatistic"),
            "period_seconds": alarm.get("Period"),
        }

    @classmethod
    def _write_query(cls, query: Mapping[str, Any]) -> dict[str, Any]:
        written = {"Id": query["id"], "ReturnData": query["return_data"]}
        if query.get("label"):
            written["Label"] = query["label"]
        if query.get("expression"):
            return written | {"Expression": query["expression"]}
        metric = query["metric"]
        named = {"Namespace": metric["namespace"], "MetricName": metric["name"], "Dimensions": cls._dimensions(metric)}
        return written | {"MetricStat": {"Metric": named, "Period": metric["period_seconds"], "Stat": metric["statistic"]}}

    @staticmethod
    def _read_query(query: Mapping[str, Any]) -> dict[str, Any]:
        read = {"id": query["Id"], "label": query.get("Label"), "return_data": query.get("ReturnData", True)}
        if query.get("Expression"):
            return read | {"expression": query["Expression"]}
        metric = query["MetricStat"]["Metric"]
        return read | {
            "metric": {
                "namespace": metric["Namespace"],
                "name": metric["MetricName"],
                "dimensions": {one["Name"]: one["Value"] for one in metric.get("Dimensions", [])},
                "statistic": query["MetricStat"]["Stat"],
                "period_seconds": query["MetricStat"]["Period"],
            }
        }


def main() -> None:
    run(Alarm)


if __name__ == "__main__":
    main()
