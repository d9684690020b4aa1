# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The manifests of the runbooks, one file each in runbooks/: read, checked, and an operator's answers checked against them.

docs/runbooks.md is made from them, and so are the templates, workflows and schedules in awx/; docs/awx.md says what each key means.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

FOLDER = "runbooks"
SEVERITIES = ("critical", "high", "medium", "low")
EFFECTS = ("reads", "writes")
# How a survey of AWX asks for each type is the business of scripts/pages/awx.py.
TYPES = ("str", "int", "float", "bool", "list")
KEYS: Mapping[str, tuple[type, bool]] = {  # key -> its type, and whether every manifest has it
    "title": (str, True),
    "purpose": (str, True),
    "playbook": (str, True),
    "effect": (str, True),
    "severity": (str, True),
    "timeout_minutes": (int, True),
    "environments": (list, True),
    "proof": (str, True),
    "inputs": (dict, True),
    "plan": (bool, False),
    "verify": (bool, False),
    "approval": (list, False),
    "on_failure": (str, False),
    "connects": (bool, False),
    "slices": (int, False),
    "objectives": (dict, False),
    "schedules": (list, False),
}
INPUT_KEYS = {
    "type",
    "elements",
    "description",
    "required",
    "default",
    "choices",
    "minimum",
    "maximum",
    "pattern",
    "pattern_help",
    "no_log",
}
OBJECTIVES = ("rto_minutes", "rpo_minutes")
SCHEDULE_KEYS = {"name", "description", "rrule", "environments", "answers"}
# What the approved plan of a run is called; a workflow of AWX hands it from the plan to the apply.
APPROVED_PLAN = "approved_plan"


class RunbookError(Exception):
    """Manifests that cannot be used; the text names every fault with its file and key."""


@dataclass(frozen=True)
class Input:
    """One thing that an operator may, or has to, say. Limits are of a number, or of the length of a text."""

    name: str
    description: str
    type: str = "str"
    elements: str = ""
    required: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    pattern: str = ""
    pattern_help: str = ""
    secret: bool = False

    def convert(self, value: Any) -> tuple[Any, str]:
        """The value in its type, and what is wrong with it, which is empty when nothing is."""
        option: dict[str, Any] = {"type": self.type, "elements": self.elements or None, "no_log": self.secret}
        option |= {"choices": list(self.choices)} if self.choices else {}
        result = ArgumentSpecValidator({self.name: option}).validate({self.name: value})
        shown = "its value" if self.secret else repr(value)
        if result.error_messages:
            wanted = f"one of {', '.join(map(str, self.choices))}" if self.choices else f"of type {self.type}"
            return value, f"is {shown} and not {wanted}."
        converted = result.validated_parameters[self.name]
        return converted, self._beyond(converted, shown)

    def _beyond(self, value: Any, shown: str) -> str:
        size = len(value) if isinstance(value, str | list) else value
        what = {"str": "characters", "list": "items"}.get(self.type, "")
        if self.minimum is not None and size < self.minimum:
            return f"is {shown}, which is less than {self.minimum:g} {what}".rstrip() + "."
        if self.maximum is not None and size > self.maximum:
            return f"is {shown}, which is more than {self.maximum:g} {what}".rstrip() + "."
        parts = value if isinstance(value, list) else [value]
        if self.pattern and not all(re.fullmatch(self.pattern, str(part)) for part in parts):
            return f"is {shown} and not {self.pattern_help or f'what {self.pattern} matches'}."
        return ""


@dataclass(frozen=True)
class Schedule:
    """When AWX runs a runbook by itself: made in every environment of the runbook, switched on in some."""

    name: str
    description: str
    rrule: str
    environments: tuple[str, ...]
    answers: Mapping[str, Any]


@dataclass(frozen=True)
class Runbook:
    """One manifest.

    proof: the drill or test that runs it. approval: where a person decides between plan and apply. verify: prove the site after an apply.
    on_failure: the runbook that then shows what was left. connects: it logs in to instances.
    """

    name: str
    title: str
    purpose: str
    playbook: str
    effect: str
    severity: str
    timeout_minutes: int
    environments: tuple[str, ...]
    proof: str
    inputs: Mapping[str, Input]
    plan: bool = False
    verify: bool = False
    approval: tuple[str, ...] = ()
    on_failure: str = ""
    connects: bool = False
    slices: int = 1
    objectives: Mapping[str, int] = field(default_factory=dict)
    schedules: tuple[Schedule, ...] = ()

    @property
    def writes(self) -> bool:
        return self.effect == "writes"


def read(root: Path, known: Mapping[str, Mapping[str, Any]]) -> dict[str, Runbook]:
    """Every runbook by its name; RunbookError names all that is wrong. known: the variables that the project declares elsewhere."""
    problems: list[Problem] = []
    found: dict[str, Runbook] = {}
    for path in sorted((root / FOLDER).glob("*.yml")):
        reader = _Reader(path, root, known)
        runbook = reader.runbook()
        problems += reader.problems
        if runbook:
            found[path.stem] = runbook
    if problems:
        raise RunbookError("\n".join(map(str, problems)))
    return found


def own_inputs(root: Path) -> dict[str, dict[str, Any]]:
    """The inputs that manifests declare themselves, as variables of the project: name -> specification. Faults are left to `read`."""
    declared: dict[str, dict[str, Any]] = {}
    for path in sorted((root / FOLDER).glob("*.yml")):
        inputs = _load(path).get("inputs")
        for name, body in (inputs if isinstance(inputs, dict) else {}).items():
            if isinstance(body, dict):
                # That an input is required is asked by its runbook alone, never of an environment.
                declared[str(name)] = {key: body[key] for key in body if key in {"type", "elements", "description", "no_log"}}
    return declared


def answer_problems(runbook: Runbook, environment: str, answers: Mapping[str, Any], plan: bool = False) -> Iterator[Problem]:
    """What is wrong with a run of the runbook. A plan needs no confirmation, so none of the required answers."""
    place = (f"{FOLDER}/{runbook.name}.yml",)
    if environment not in runbook.environments:
        text = f"does not name {environment}, so {runbook.name} may not run there."
        fix = f"Run it in {_listed(runbook.environments)}, or have the manifest changed."
        yield Problem("environments", text, fix, place)
    for name, wanted in runbook.inputs.items():
        value = answers.get(name)
        fix = f"Give it with -e {name}=<value>, or in AWX's survey. It is: {wanted.description}"
        if value is None or value == "":  # AWX gives a question that nobody answered as an empty text
            if wanted.required and not plan:
                yield Problem(name, "is missing.", fix, place)
        elif text := wanted.convert(value)[1]:
            yield Problem(name, text, fix, place)


def unknown_problems(runbook: Runbook, names: Iterable[str], known: Iterable[str]) -> Iterator[Problem]:
    """Extra variables that nothing would read."""
    known = {*known, *runbook.inputs}
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            fix = f"Did you mean {close[0]}?" if close else f"{runbook.name} takes {_listed(runbook.inputs) or 'no inputs'}."
            yield Problem(name, "is no input, so nothing would read it.", fix, ("extra variables (-e)",))


class _Reader:
    """Reads one manifest, and gathers everything that is wrong with it."""

    def __init__(self, path: Path, root: Path, known: Mapping[str, Mapping[str, Any]]) -> None:
        self.path, self.root, self.known = path, root, known
        self.data = _load(path)
        self.problems: list[Problem] = []

    def runbook(self) -> Runbook | None:
        for key, (kind, required) in KEYS.items():
            if key not in self.data:
                if required:
                    self._fault(key, "is missing.", "Every manifest has it.")
            elif not isinstance(self.data[key], kind):
                self._fault(key, f"is no {kind.__name__}.", "Write one.")
        for key in self.data.keys() - KEYS.keys():
            self._fault(key, "is no key of a manifest.", f"Keys are {', '.join(KEYS)}.")
        if self.problems:
            return None
        self._check()
        inputs = {str(name): self._input(str(name), body) for name, body in self.data["inputs"].items()}
        schedules = tuple(self._schedule(number, entry, inputs) for number, entry in enumerate(self.data.get("schedules", [])))
        if self.problems:
            return None
        lists: dict[str, Any] = {key: tuple(self.data[key]) for key in ("environments", "approval") if key in self.data}
        plain: dict[str, Any] = {key: self.data[key] for key in self.data.keys() - {*lists, "inputs", "schedules"}}
        return Runbook(name=self.path.stem, **plain, **lists, inputs=inputs, schedules=schedules)

    def _fault(self, key: str, text: str, fix: str) -> None:
        self.problems.append(Problem(key, text, fix, (str(self.path.relative_to(self.root)),)))

    def _check_files(self) -> None:
        for key in ("playbook", "proof"):
            if not (self.root / self.data[key]).is_file():
                self._fault(key, f"names {self.data[key]!r}, which is no file.", "Name it from the top of the repository.")
        if (name := self.data.get("on_failure")) and not (self.root / FOLDER / f"{name}.yml").is_file():
            self._fault("on_failure", f"names {name!r}, which is no runbook.", f"Name a file of {FOLDER}/ without its ending.")

    def _check(self) -> None:
        data = self.data
        for key, choices in (("severity", SEVERITIES), ("effect", EFFECTS)):
            if data[key] not in choices:
                self._fault(key, f"is {data[key]!r}.", f"It is one of {', '.join(choices)}.")
        self._check_files()
        if data["timeout_minutes"] < 1 or data.get("slices", 1) < 1:
            self._fault("timeout_minutes", "and slices are numbers from one on.", "A job without a limit is never given up.")
        environments = sorted(path.name for path in (self.root / "inventories").glob("[a-z]*"))
        for name in data["environments"]:
            if name not in environments:
                self._fault("environments", f"names {name!r}, which has no inventory.", f"There are {', '.join(environments)}.")
        self._subset("approval", data.get("approval", []))
        if data["effect"] == "reads" and (data.get("plan") or data.get("verify") or data.get("approval")):
            self._fault("effect", "is reads, which asks for no plan, approval or verification.", "Remove them, or say writes.")
        if bool(data.get("plan")) != bool(data.get("on_failure")):
            self._fault("on_failure", "and plan belong together.", "Name the runbook that shows what a failed apply has left, or neither.")
        if data.get("approval") and not data.get("plan"):
            self._fault("approval", "is asked for, but there is no plan to look at.", "Say plan: true.")
        for key, value in data.get("objectives", {}).items():
            if key not in OBJECTIVES or not isinstance(value, int):
                self._fault(f"objectives.{key}", "is no objective.", f"There are {' and '.join(OBJECTIVES)}, whole minutes.")

    def _subset(self, key: str, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.data["environments"]:
                self._fault(key, f"names {name!r}, where the runbook may not run.", "Add it to environments, or leave it out.")

    def _input(self, name: str, body: Any) -> Input:
        key = f"inputs.{name}"
        if body is None:
            body = self.known.get(name)
            if body is None:
                self._fault(
                    key, "is declared nowhere.", "Give it type and description here, or declare it in inventories/_base/schema.yml."
                )
                return Input(name, "")
            # Whatever an environment has to have is there already when an operator overrides it.
            body = {part: body[part] for part in INPUT_KEYS & body.keys() if part not in {"required", "default"}}
        if not isinstance(body, dict):
            self._fault(key, "is no dict.", "Write type, description and limits.")
            return Input(name, "")
        for part in body.keys() - INPUT_KEYS:
            self._fault(f"{key}.{part}", "is no key of an input.", f"Keys are {', '.join(sorted(INPUT_KEYS))}.")
        description = body.get("description") or ""
        description = " ".join(description) if isinstance(description, list) else str(description)
        kind = "str" if body.get("type") == "path" else body.get("type", "str")
        if kind not in TYPES:
            self._fault(f"{key}.type", f"is {kind!r}.", f"It is one of {', '.join(TYPES)}.")
            return Input(name, description)
        if not description:
            self._fault(f"{key}.description", "is missing.", "Say what it is; surveys, the page and every error show it.")
        made = Input(
            name,
            description,
            kind,
            **{
                part: body[part]
                for part in ("elements", "required", "default", "minimum", "maximum", "pattern", "pattern_help")
                if part in body
            },
            choices=tuple(body.get("choices", ())),
            secret=bool(body.get("no_log")),
        )
        if made.default is not None and (text := made.convert(made.default)[1]):
            self._fault(f"{key}.default", text, "A default has to be an answer that is taken.")
        return made

    def _schedule(self, number: int, entry: Any, inputs: Mapping[str, Input]) -> Schedule:
        key = f"schedules[{number}]"
        if not isinstance(entry, dict) or not {"name", "rrule", "environments"} <= entry.keys() <= SCHEDULE_KEYS:
            self._fault(key, "is no schedule.", "It has name, rrule, environments (where it is on) and, if any, description and answers.")
            return Schedule("", "", "", (), {})
        self._subset(f"{key}.environments", entry["environments"])
        answers = entry.get("answers", {})
        for name, value in answers.items():
            if name not in inputs:
                self._fault(f"{key}.answers.{name}", "answers no input.", f"Inputs are {_listed(inputs) or 'none'}.")
            elif text := inputs[name].convert(value)[1]:
                self._fault(f"{key}.answers.{name}", text, inputs[name].description)
        for name, wanted in inputs.items():
            if wanted.required and name not in answers:
                self._fault(f"{key}.answers", f"lacks {name}, which is required; nobody is there to say it.", wanted.description)
        if self.data.get("approval"):
            self._fault(key, "cannot be: somebody has to approve a plan of this runbook.", "Leave one of the two out.")
        return Schedule(entry["name"], entry.get("description", ""), entry["rrule"], tuple(entry["environments"]), answers)


def _load(path: Path) -> dict[str, Any]:
    data = yaml_load(path.read_text(encoding="utf-8"))
    return data if isinstance(data, dict) else {}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
