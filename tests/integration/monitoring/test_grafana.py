# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role grafana writes: settings that keep strangers out, sources that dashboards find, and the declared dashboards."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scripts.pages.inventory import ROOT
from tests.support.playbooks import surroundings

ROLE = ROOT / "roles/grafana"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Path -> content of every file, with what production's inventory declares."""
    folder = tmp_path_factory.mktemp("grafana")
    (folder / "templates").symlink_to(ROLE / "templates")
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    declared = yaml.safe_load((ROOT / "inventories/_base/group_vars/alerting.yml").read_text())
    own = {name: value for name, value in defaults.items() if name not in declared} | {"instance_region": "us-east-1"}
    wanted = {"content": "{{ __grafana_settings + __grafana_dashboard_files }}", "dest": f"{folder}/files.json", "mode": "0600"}
    play = {
        **{"hosts": "production-us-east-1", "connection": "local", "gather_facts": False, "vars": own},
        "vars_files": [str(ROLE / "vars/main.yml")],
        "tasks": [{"ansible.builtin.copy": wanted}],
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", "inventories/production/hosts.yml", str(folder / "play.yml")]
    done = subprocess.run(command, cwd=ROOT, env=surroundings("", folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {file["path"]: file["content"] for file in json.loads((folder / "files.json").read_text())}


def test_the_dashboards_are_those_of_the_declaration(written: dict[str, str]) -> None:
    made = {path.rpartition("/")[2]: json.loads(text) for path, text in written.items() if path.endswith(".json")}

    assert set(made) == {f"{name}.json" for name in ("executive", "operations", "security", "cost")}
    assert all(name == f"{dashboard['uid']}.json" for name, dashboard in made.items())
    (provider,) = yaml.safe_load(written["/etc/grafana/site/provisioning/dashboards/dashboards.yaml"])["providers"]
    assert {path.rpartition("/")[0] for path in written if path.endswith(".json")} == {provider["options"]["path"]}
    assert (provider["allowUiUpdates"], provider["disableDeletion"]) == (False, True)


def test_the_sources_are_those_that_dashboards_look_for(written: dict[str, str]) -> None:
    sources = {
        one["type"]: one for one in yaml.safe_load(written["/etc/grafana/site/provisioning/datasources/sources.yaml"])["datasources"]
    }
    variables = json.loads(written["/etc/grafana/site/dashboards/operations.json"])["templating"]["list"]
    wanted = {one["query"]: one["regex"].strip("/") for one in variables if one["type"] == "datasource"}

    assert set(sources) == set(wanted)
    for kind, pattern in wanted.items():
        assert re.match(pattern.replace("${environment}", "production"), sources[kind]["name"])
        assert sources[kind]["editable"] is False
    assert sources["prometheus"]["secureJsonData"] == {"basicAuthPassword": "$__file{/run/host-secrets/grafana/scrape-password}"}


def test_strangers_stay_out_and_nothing_leaves(written: dict[str, str]) -> None:
    settings = configparser.ConfigParser(interpolation=None)
    settings.read_string(written["/etc/grafana/site/grafana.ini"])

    assert (settings["server"]["protocol"], settings["server"]["min_tls_version"]) == ("https", "TLS1.3")
    assert settings["auth.anonymous"]["enabled"] == "false"
    assert settings["users"]["allow_sign_up"] == "false"
    assert settings["analytics"]["reporting_enabled"] == settings["analytics"]["check_for_updates"] == "false"
    assert settings["security"]["cookie_secure"] == "true"
    for key in ("admin_password", "secret_key"):
        assert re.fullmatch(r"\$__file\{/run/host-secrets/grafana/[a-z-]+\}", settings["security"][key]), "no secret stands in the file"


def test_the_unit_reads_the_written_settings(written: dict[str, str]) -> None:
    unit = written["/etc/systemd/system/grafana-server.service.d/50-grafana.conf"]
    assert "--config=/etc/grafana/site/grafana.ini" in unit
    assert "Requires=instance-certificate@grafana.service" in unit
