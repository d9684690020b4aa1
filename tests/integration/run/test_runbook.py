# SPDX-License-Identifier: GPL-3.0-or-later
"""Runbooks as AWX runs them: ansible-runner, the exported inventory, answers as extra variables."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.integration.run.conftest import ROOT, Site

pytestmark = pytest.mark.emulator

TAGS = {"Project": "indivillage", "Environment": "sandbox", "Role": "builder", "Name": "a-builder"}
PLAY = {
    "name": "Look",
    "hosts": "primary",
    "gather_facts": False,
    "tasks": [
        {"name": "Read the instances anew", "ansible.builtin.meta": "refresh_inventory"},
        {"name": "Say them", "ansible.builtin.debug": {"msg": "after {{ groups.instances | default([]) | join(' ') }}"}},
    ],
}


def runbook(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.runbook", *arguments]
    environment = {**site.environment, "TMPDIR": str(site.folder)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert list(site.folder.glob("runbook-*")) == [], "the private data directory stays behind"
    return done


def test_it_reads_what_the_inventory_tells_and_takes_the_answers(site: Site) -> None:
    done = runbook(site, "show_runs", "sandbox", "last=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"\d{8}T\d{6}Z-[0-9a-f]{6}", done.stdout)) == 1


def test_a_wrong_answer_starts_nothing(site: Site) -> None:
    done = runbook(site, "show_runs", "sandbox", "last=many", "lats=3")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "last is 'many' and not of type int." in done.stderr
    assert "Did you mean last?" in done.stderr


def test_the_same_answers_are_refused_by_the_playbook_itself(site: Site) -> None:
    done = site.run("playbooks/show_runs.yml", "-e", json.dumps({"last": 0, "run_id": ""}))
    assert done.returncode == 2
    assert "One problem with the inputs of show_runs; nothing was changed." in done.stdout
    assert "last is 0, which is less than 1." in done.stdout


def test_a_plan_hands_its_digest_on_and_an_apply_takes_it(site: Site) -> None:
    before = site.history.last("sandbox", 50)
    planned = runbook(site, "destroy", "sandbox", "--plan")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert site.history.last("sandbox", 50) == before, "a plan leaves no record"
    (digest,) = re.findall(r"^approved_plan=(sha256:[0-9a-f]{64})$", planned.stdout, re.MULTILINE)

    answers = ("destroy_environment=sandbox", "reason=as planned", f"approved_plan={digest}")
    applied = runbook(site, "destroy", "sandbox", *answers)
    assert applied.returncode == 0, applied.stdout + applied.stderr
    (last,) = site.history.last("sandbox", 1)
    assert (last["result"], last["reason"]) == ("succeeded", "as planned")


def test_a_job_finds_the_instances_that_it_has_made_itself(site: Site, tmp_path: Path) -> None:
    from scripts.runbook import inventory

    ec2 = site.emulator.client("ec2")
    hosts = tmp_path / "hosts"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in site.environment.items():
            patch.setenv(name, value)
        hosts.write_text(inventory("sandbox"))  # as it was imported: before the instance
    hosts.chmod(0o700)
    tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    image = ec2.describe_images(Owners=["self", "amazon"])["Images"][0]["ImageId"]
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])
    play = tmp_path / "play.yml"
    play.write_text(yaml.safe_dump([PLAY]))

    def run(**more: str) -> str:
        enabled = {"ANSIBLE_CALLBACKS_ENABLED": "indivillage.infra.instances_source"}
        command = ["ansible-playbook", str(play), "-i", str(hosts)]
        done = subprocess.run(
            command, cwd=ROOT, env={**site.environment, **enabled, **more}, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    instance = made["Instances"][0]["InstanceId"]
    assert f"after {instance}" in run(AWX_ISOLATED_DATA_DIR=str(tmp_path))
    assert instance not in run(), "only a job's inventory is anybody else's than the one who started it"
    ec2.terminate_instances(InstanceIds=[instance])
