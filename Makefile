# Thin on purpose: each target is one line of real work, which can also be typed by hand.
SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv/bin
ANSIBLE_PLAYBOOK := $(VENV)/ansible-playbook
SANDBOX := $(VENV)/python -m sandbox
export PATH := $(CURDIR)/$(VENV):$(PATH):/usr/sbin:/sbin
# Nothing started from here may ask the metadata service of the machine it runs on for credentials.
export AWS_EC2_METADATA_DISABLED := true

# $(call required,NAME): the value of a variable that the target cannot do without.
required = $(or $($(1)),$(error $(1) is missing: make $@ $(1)=<environment>, one of $(notdir $(wildcard inventories/[a-z]*))))

.PHONY: help setup site test lint sanity unit contract integration molecule e2e sandbox-up sandbox-down sandbox-status sandbox-ssh sandbox-clean url ca endpoint plan apply drift runbook drill drill-backups drill-capacity drill-images drill-operations drill-plan drill-roles drill-topology drill-posture drill-alerts topology-up topology-down bench bench-hardening lock pages drill-failover drill-machine pictures

help: ## Show the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' Makefile

setup: ## Install what is missing: system packages (as root) and the virtual environment
	@scripts/setup system && scripts/setup venv

site: setup ## Bring the sandbox up and run site.yml on it: an empty machine becomes a served page
	@$(SANDBOX) up
	@$(ANSIBLE_PLAYBOOK) site.yml -i inventories/sandbox
	@printf '\nOpen %s  (certificate authority: %s)\n' "$$($(SANDBOX) url)" "$$($(SANDBOX) ca)"

test: setup ## Everything that must pass before a change lands: lint, unit, contract, integration, Molecule, e2e
	@$(SANDBOX) build-images debian-13 debian-12 && $(SANDBOX) build-images
	@scripts/test-all e2e lint unit contract molecule integration

lint: ## ansible-lint (production), yamllint, ruff, mypy
	@scripts/lint

sanity: ## The plugins against Ansible's own rules for them: ansible-test sanity (two minutes; fetches some small packages)
	@scripts/sanity

unit: ## Pure logic: no podman, no emulator
	@$(VENV)/pytest tests/unit -q -n 2 --dist worksteal --durations 10

contract: ## What files promise one another: versions, argument specs, inventories
	@$(VENV)/pytest tests/contract -q -n 2

integration: ## Roles, modules and plugins against the emulator on loopback
	@$(VENV)/pytest tests/integration -q -n 2 --dist loadfile --durations 20

molecule: ## Host roles on systemd containers
	@scripts/molecule-all

e2e: ## The sandbox from nothing to the served page, changed, killed, repaired and removed
	@$(VENV)/pytest tests/e2e -v -x

sandbox-up: setup ## Start the local cloud (no resources yet)
	@$(SANDBOX) up

sandbox-down: ## Remove the local cloud without a trace (built base images stay as a cache)
	@$(SANDBOX) down

sandbox-clean: ## sandbox-down, and remove the cached base images too
	@$(SANDBOX) clean

sandbox-status: ## Show instances, load balancers, databases and their health
	@$(SANDBOX) status

sandbox-ssh: ## Log in to an instance: make sandbox-ssh HOST=<instance id or name>
	@$(SANDBOX) ssh $(HOST)

url: ## Print the page's address
	@$(SANDBOX) url

ca: ## Print the file of the certificate authority that validates the page
	@$(SANDBOX) ca

endpoint: ## Print the emulator's address
	@$(SANDBOX) endpoint

plan: setup ## Say what site.yml would change: make plan ENV=<environment> [ARGS="-l <stack>"]; exit code 0 nothing, 2 changes, 1 error
	@$(ANSIBLE_PLAYBOOK) site.yml -i inventories/$(call required,ENV) --check --diff $(ARGS)

apply: setup ## Bring an environment to its declaration: make apply ENV=<environment> [ARGS="-e approved_plan=<digest>"]
	@$(ANSIBLE_PLAYBOOK) site.yml -i inventories/$(call required,ENV) $(ARGS)

drift: setup ## Say what differs from the declaration, and tell the drift topic: make drift ENV=<environment>
	@$(ANSIBLE_PLAYBOOK) playbooks/detect_drift.yml -i inventories/$(call required,ENV) $(ARGS)

runbook: setup ## Run a runbook as AWX would: make runbook NAME=<runbook> ENV=<environment> [PLAN=1] [ARGS="<input>=<value> ..."]
	@$(VENV)/python -m scripts.runbook $(or $(NAME),$(error NAME is missing: one of $(basename $(notdir $(wildcard runbooks/*.yml))))) $(call required,ENV) $(if $(PLAN),--plan) $(ARGS)

# What a running site has to have is asked for first; whoever destroys and restores it comes last of those that use it.
drill: drill-alerts drill-images drill-operations drill-capacity drill-backups drill-failover drill-machine drill-plan drill-posture drill-roles drill-topology ## Run every drill (many hours); the first five need a running site with a monitoring host (make site, docs/monitoring.md)

drill-backups: ## Back up, destroy and restore for real, three times, on a running site; writes docs/drills-backups.md
	@$(VENV)/pytest tests/drill/backups -q -s -x

drill-capacity: ## Measure how many instances this machine carries, on a running site
	@$(VENV)/pytest tests/drill/test_capacity.py -q -s

drill-images: ## Bake, prove and roll images out under load, also poisoned ones, three times, on a running site; writes docs/drills.md (half an hour)
	@$(VENV)/pytest tests/drill/images -q -s -x

drill-alerts: ## Break things on a running site that has a monitoring host, and measure how long until somebody is told; writes docs/drills-alerts.md (40 minutes)
	@$(VENV)/pytest tests/drill/alerts -q -s

drill-operations: ## Deploy, leave and take back releases, and patch, under load, three times each, on a running site; writes docs/drills.md
	@$(VENV)/pytest tests/drill/operations -q -s

drill-plan: setup ## Prove plans, permissions and removal by mutation, crashes and throttling, over all environments (an hour or more)
	@$(VENV)/pytest tests/drill/plan tests/drill/test_removal.py -v -n 2 --dist loadfile

drill-roles: setup ## Provision, change, plan and remove what only the real environments have: edge, audit, standby, upkeep, workloads
	@$(VENV)/pytest tests/drill/roles -v -n 2 --dist loadfile

drill-machine: setup ## Harden a virtual machine of Debian 13 and of 12 in QEMU: what a container cannot show of a kernel, and a reboot (half an hour)
	@scripts/setup emulation && $(VENV)/pytest tests/drill/machine -v -s

drill-topology: setup ## Plan, apply, plan and apply again every environment in an emulator of its own: [ENV=<environment>]; build/topology/*.json
	@$(VENV)/python -m tests.drill.topology $(if $(ENV),--environment $(ENV))

drill-failover: setup ## Fail over and back while a client writes, on real PostgreSQL, planned and without power; writes docs/drills-failover.md
	@$(SANDBOX) build-images postgresql && $(VENV)/pytest tests/drill/failover -v -s -x

drill-posture: setup ## Have Prowler judge every environment in an emulator: [ENV=<environment>]; build/posture/*.json (installs 1.4 GB, with python3.12)
	@scripts/setup posture && $(VENV)/python -m tests.drill.posture $(if $(ENV),--environment $(ENV))

topology-up: setup ## The same for one, and leave its account running; the URL is the last line: make topology-up ENV=<environment>
	@$(VENV)/python -m tests.drill.topology up --environment $(call required,ENV)

topology-down: ## End that account: make topology-down ENV=<environment>
	@$(VENV)/python -m tests.drill.topology down --environment $(call required,ENV)

bench-hardening: setup ## Have OpenSCAP, Lynis and ssh-audit judge hosts before and after the role hardening, on Debian 13 and 12
	@$(VENV)/python -m tests.bench.hardening

bench: setup ## Measure speed side by side: local connection, worker, direct boto3 calls
	@$(VENV)/python -m tests.bench

pictures: setup ## Draw the dashboards as a running site with a monitoring host fills them; writes docs/pictures/*.svg
	@scripts/setup pictures && $(VENV)/python -m tests.drill.pictures

pages: ## Write the documentation's pages that are made from the inventories
	@$(VENV)/python -m scripts.pages

lock: ## Write requirements*.txt with hashes from requirements*.in
	@scripts/lock
