"""The manifests of deploy/kubernetes, against Kubernetes' own schemas, the settings, each other.

No cluster runs: what a controller makes of them is not covered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from test_compose import names_of_settings

FOLDER = Path(__file__).parents[2] / "deploy/kubernetes"
VERSIONS = ("1.29", "1.37")  # the oldest and the newest that are checked
LISTED = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
APPLIED = [*LISTED, "secret.example.yaml"]


def manifest(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


DEPLOYMENT = manifest("deployment.yaml")["spec"]
POD = DEPLOYMENT["template"]["spec"]
CONTAINERS = {one["name"]: one for one in (*POD["containers"], *POD["initContainers"])}
LABELS = DEPLOYMENT["template"]["metadata"]["labels"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", APPLIED)
def test_a_manifest_is_as_its_schema_has_it(name: str, version: str) -> None:
    kubernetes_validate.validate(manifest(name), version, strict=True)


def test_a_wrong_manifest_is_seen() -> None:
    wrong = manifest("disruption.yaml")
    wrong["spec"]["maxUnavailble"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_every_file_is_applied_or_said_not_to_be() -> None:
    others = {"kustomization.yaml", "secret.example.yaml", "prometheus-adapter.yaml"}
    assert {path.name for path in FOLDER.iterdir()} == {*LISTED} | others


def test_what_selects_the_replicas_finds_them() -> None:
    selectors = [
        DEPLOYMENT["selector"]["matchLabels"],
        manifest("service.yaml")["spec"]["selector"],
        manifest("disruption.yaml")["spec"]["selector"]["matchLabels"],
        manifest("network.yaml")["spec"]["podSelector"]["matchLabels"],
        POD["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(selector.items() <= LABELS.items() for selector in selectors)
    scaled = manifest("autoscaling.yaml")["spec"]["scaleTargetRef"]
    assert (scaled["kind"], scaled["name"]) == ("Deployment", "candor")


def test_ports_are_those_that_are_listened_at() -> None:
    (port,) = CONTAINERS["candor"]["ports"]
    assert port == {"name": "http", "containerPort": 7860}
    (served,) = manifest("service.yaml")["spec"]["ports"]
    (path,) = manifest("ingress.yaml")["spec"]["rules"][0]["http"]["paths"]
    assert served["targetPort"] == port["name"]
    assert path["backend"]["service"] == {"name": "candor", "port": {"name": served["name"]}}
    assert manifest("network.yaml")["spec"]["ingress"][0]["ports"][0]["port"] == port["name"]
    probes = {name: one for name, one in CONTAINERS["candor"].items() if name.endswith("Probe")}
    assert {name: one["httpGet"] for name, one in probes.items()} == {
        "startupProbe": {"path": "/health/live", "port": "http"},
        "livenessProbe": {"path": "/health/live", "port": "http"},
        "readinessProbe": {"path": "/health/ready?needs=store", "port": "http"},
    }


def test_what_replicas_are_told_they_know() -> None:
    secret = manifest("secret.example.yaml")
    told = {*secret["stringData"]}
    assert {"CANDOR_DATABASE_URL", "CANDOR_REDIS_URL", "CANDOR_SECRET"} <= told
    for container in CONTAINERS.values():
        (source,) = container["envFrom"]
        assert source["secretRef"]["name"] == secret["metadata"]["name"]
        told |= {one["name"] for one in container["env"]}
    assert told <= names_of_settings()


def test_replicas_run_with_few_rights() -> None:
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["automountServiceAccountToken"] is False
    for container in CONTAINERS.values():
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        mounts = {one["name"] for one in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in POD["volumes"]}


def test_a_replica_has_time_to_end_what_it_streams() -> None:
    (_, pause) = CONTAINERS["candor"]["lifecycle"]["preStop"]["exec"]["command"]
    assert POD["terminationGracePeriodSeconds"] >= int(pause) + 30 + 5


def test_replicas_share_the_connections_that_a_server_has() -> None:
    most = manifest("autoscaling.yaml")["spec"]["maxReplicas"]
    env = {one["name"]: one["value"] for one in CONTAINERS["candor"]["env"]}
    by_default = 100 - 3  # max_connections, less those that are kept for its administrator
    assert most * int(env["CANDOR_DATABASE_CONNECTIONS"]) <= by_default - most  # migrating each


def test_the_adapter_gives_the_figure_that_replicas_are_scaled_by() -> None:
    (metric,) = manifest("autoscaling.yaml")["spec"]["metrics"]
    (rule,) = manifest("prometheus-adapter.yaml")["rules"]["custom"]
    name = metric["pods"]["metric"]["name"]
    assert rule["name"]["matches"] == name
    assert rule["seriesQuery"].startswith(f"{name}{{")
