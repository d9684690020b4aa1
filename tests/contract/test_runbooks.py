# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests and playbooks say the same: every runbook has one, and what it takes is what its playbook reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils.catalogue import read_catalogue, read_runbooks
from ansible_collections.indivillage.infra.plugins.plugin_utils.runbooks import APPROVED_PLAN, Runbook

ROOT = Path(__file__).parents[2]
RUNBOOKS = read_runbooks(read_catalogue(ROOT), ROOT)
# Parts of site.yml, parts of every runbook, and what is for the people who run AWX or who give an account up: no operator starts these.
NO_RUNBOOKS = {
    *("await_edge", "begin_run", "check_environment", "check_inputs", "configure_hosts", "provision_account", "provision_compute"),
    *("provision_edge", "provision_foundation", "provision_upkeep", "provision_workloads"),
    *("learn_region", "plan_runbook", "remove_history", "configure_awx", "roll_release", "switch_release"),
}
# The emulator knows no reservations: the module alone is proven.
ONLY_THE_MODULE = {"report_reservations": ["reservation_coverage_info"]}
# Inputs that the connection, the lease's keeper or a role reads, for every playbook that uses them.
READ_ELSEWHERE = {"approved_deletions": "plugins/connection/aws_worker.py"} | {
    f"release_{name}": "roles/app_release/defaults/main.yml" for name in ("strategy", "canary_percentage", "canary_minutes", "gate_minutes")
}


def imports(playbook: Path) -> list[tuple[str, dict[str, str]]]:
    """The playbooks that one imports, in order, with the variables that it gives them."""
    plays = yaml.safe_load(playbook.read_text())
    return [(play["ansible.builtin.import_playbook"], play.get("vars", {})) for play in plays if "ansible.builtin.import_playbook" in play]


def sources(playbook: Path, seen: set[Path] | None = None) -> str:
    """The text of a playbook, of the playbooks that it imports, and of the tasks of roles that they name."""
    seen = set() if seen is None else seen
    if playbook in seen:
        return ""
    seen.add(playbook)
    text = "\n".join(line for line in playbook.read_text().splitlines() if not line.startswith("#"))
    for name, _variables in imports(playbook):
        text += sources((playbook.parent / name).resolve(), seen)
    for role in set(re.findall(r"indivillage\.infra\.([a-z_]+)", text)):
        text += "\n".join(path.read_text() for path in sorted((ROOT / "roles" / role).glob("tasks/**/*.yml")))
    return text


def test_every_playbook_is_a_runbook_or_known_not_to_be() -> None:
    playbooks = {str(path.relative_to(ROOT)) for path in [*(ROOT / "playbooks").glob("*.yml"), ROOT / "site.yml"]}
    offered = [runbook.playbook for runbook in RUNBOOKS.values()]
    assert len(offered) == len(set(offered))
    assert playbooks - set(offered) <= {f"playbooks/{name}.yml" for name in NO_RUNBOOKS}


@pytest.mark.parametrize("runbook", RUNBOOKS.values(), ids=RUNBOOKS)
def test_its_playbook_checks_its_inputs_first(runbook: Runbook) -> None:
    first, variables = imports(ROOT / runbook.playbook)[0]
    assert yaml.safe_load((ROOT / runbook.playbook).read_text())[0].keys() >= {"ansible.builtin.import_playbook"}
    assert (Path(first).name, variables) == ("check_inputs.yml", {"runbook": runbook.name})


@pytest.mark.parametrize("runbook", RUNBOOKS.values(), ids=RUNBOOKS)
def test_its_playbook_reads_every_input(runbook: Runbook) -> None:
    text = sources(ROOT / runbook.playbook)
    for name in runbook.inputs:
        elsewhere = (ROOT / READ_ELSEWHERE[name]).read_text() if name in READ_ELSEWHERE else ""
        assert re.search(rf"\b{name}\b", text + elsewhere), f"runbooks/{runbook.name}.yml: nothing reads the input {name}"


@pytest.mark.parametrize("runbook", RUNBOOKS.values(), ids=RUNBOOKS)
def test_its_playbook_reads_nothing_that_only_a_runbook_declares_but_its_own_inputs(runbook: Runbook) -> None:
    own = {name for other in RUNBOOKS.values() for name in yaml.safe_load((ROOT / f"runbooks/{other.name}.yml").read_text())["inputs"]}
    jinja = " ".join(re.findall(r"(?:\{\{.*?\}\}|\bwhen: .*)", (ROOT / runbook.playbook).read_text(), re.DOTALL))
    read = {name for name in own if re.search(rf"(?<![.\w'\"]){name}(?![\w'\"(:=])", jinja)}
    assert read <= set(runbook.inputs), f"{runbook.playbook} reads {read - set(runbook.inputs)}"


@pytest.mark.parametrize("runbook", RUNBOOKS.values(), ids=RUNBOOKS)
def test_an_answer_that_was_left_empty_counts_as_none(runbook: Runbook) -> None:
    # AWX gives an optional question that nobody answered as an empty text.
    text = (ROOT / runbook.playbook).read_text()
    for name, given in runbook.inputs.items():
        for use in re.findall(rf"(?<![\w.]){name} \| default\(.*?\)", text):
            assert given.required or use.endswith((", true)", "(false)")), f"{runbook.playbook}: write {use[:-1]}, true)"
        assert f"{name} is defined" not in text, f"{runbook.playbook}: an empty {name} is defined too"


@pytest.mark.parametrize("runbook", RUNBOOKS.values(), ids=RUNBOOKS)
def test_what_takes_the_lease_writes_and_what_is_planned_can_be_approved(runbook: Runbook) -> None:
    begins = "begin_run.yml" in [Path(name).name for name, _variables in imports(ROOT / runbook.playbook)]
    assert begins == (runbook.writes and runbook.name != "release_lease")
    assert runbook.plan == (APPROVED_PLAN in runbook.inputs)


@pytest.mark.parametrize("runbook", RUNBOOKS.values(), ids=RUNBOOKS)
def test_its_proof_runs_it(runbook: Runbook) -> None:
    playbook, text = Path(runbook.playbook), (ROOT / runbook.proof).read_text()
    imported = {path.stem: [Path(name).name for name, _variables in imports(path)] for path in (ROOT / "playbooks").glob("*.yml")}
    importing = [name for name, parts in imported.items() if playbook.name in parts]
    names = ONLY_THE_MODULE.get(runbook.name, (playbook.stem, *importing))
    named = [name for name in names if re.search(rf"""\b{name}\b""", text)]
    assert named, f"runbooks/{runbook.name}.yml: {runbook.proof} does not run {runbook.playbook}"


def test_a_plan_is_approved_wherever_the_environment_asks_for_it() -> None:
    for runbook in (runbook for runbook in RUNBOOKS.values() if runbook.plan):
        for environment in runbook.environments:
            declared = "\n".join(path.read_text() for path in (ROOT / "inventories" / environment / "group_vars/all").glob("*.yml"))
            assert "plan_approval: required" not in declared or environment in runbook.approval, (runbook.name, environment)
