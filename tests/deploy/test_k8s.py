"""The Kubernetes base: valid to the letter, whole, confined, and connected as it must be and no further.

The base lists plain manifests and patches nothing, so that all of this holds without any tool of
Kubernetes; with kubectl there, what it renders is compared as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from homeward.common.main import consume_loops
from homeward.common.parts import Service
from homeward.exchange.issuer_keys import take_step

BASE = Path(__file__).parents[2] / "deploy/k8s/base"
PART = {"app.kubernetes.io/part-of": "homeward"}
PUBLIC = {"intake", "verification", "referral", "exchange", "audit"}
Manifest = dict[str, Any]
Labels = dict[str, str]


def of_kind(manifests: list[Manifest], *kinds: str) -> dict[str, Manifest]:
    """Manifests of ``kinds`` by name."""
    return {m["metadata"]["name"]: m for m in manifests if m["kind"] in kinds}


def workloads(manifests: list[Manifest]) -> Iterator[tuple[str, Labels, Manifest]]:
    """Name, labels and specification of every kind of pod."""
    for name, manifest in of_kind(manifests, "Deployment", "Job").items():
        template = manifest["spec"]["template"]
        yield name, template["metadata"]["labels"], template["spec"]


def role_of(labels: Labels) -> tuple[str, str]:
    """Which service a pod is of, and in which role."""
    return labels["app.kubernetes.io/name"], labels["app.kubernetes.io/component"]


def selects(selector: Manifest, labels: Labels) -> bool:
    """Whether a label selector holds for ``labels``."""
    exact = selector.get("matchLabels", {})
    one_of = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in one_of)
    return exact.items() <= labels.items() and all(labels.get(e["key"]) in e["values"] for e in one_of)


def passes(manifests: list[Manifest], direction: str, labels: Labels, other: Labels, port: int) -> bool:
    """Whether the policies of one end let its connection with ``other`` pass."""
    kind, peers = ("Egress", "to") if direction == "out" else ("Ingress", "from")
    for policy in of_kind(manifests, "NetworkPolicy").values():
        spec = policy["spec"]
        if kind not in spec["policyTypes"] or not selects(spec["podSelector"], labels):
            continue
        for rule in spec.get(kind.lower(), []):
            of_here = [peer for peer in rule.get(peers, []) if "namespaceSelector" not in peer]
            known = peers not in rule or any(selects(peer["podSelector"], other) for peer in of_here)
            if known and port in [entry["port"] for entry in rule["ports"]]:
                return True
    return False


def test_the_base_is_what_its_files_say() -> None:
    """Nothing is generated or patched, and no file is left out: the other tests see what is applied."""
    kustomization = yaml.safe_load((BASE / "kustomization.yaml").read_text())
    assert kustomization.keys() == {"apiVersion", "kind", "namespace", "labels", "resources"}
    assert {*kustomization["resources"], "kustomization.yaml"} == {file.name for file in BASE.iterdir()}


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
def test_valid_to_the_letter(manifests: list[Manifest], version: str) -> None:
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_names_are_given_once(manifests: list[Manifest]) -> None:
    names = [(m["kind"], m["metadata"]["name"]) for m in manifests]
    assert len(names) == len(set(names))


def test_every_role_of_every_service_runs(manifests: list[Manifest], services: dict[str, Service]) -> None:
    wanted = {("gateway", "gateway")}
    for name, service in services.items():
        wanted |= {(name, "serve"), (name, "relay"), (name, "migrate")}
        wanted |= {(name, "consume")} if consume_loops(service) else set()
    there = {}
    for _, labels, pod in workloads(manifests):
        there[role_of(labels)] = pod["containers"][0].get("args")
    assert there.keys() == wanted
    assert all(args == [role] for (name, role), args in there.items() if name != "gateway")


def test_what_is_named_is_there(manifests: list[Manifest], secrets: Path) -> None:
    accounts = of_kind(manifests, "ServiceAccount")
    for _, labels, pod in workloads(manifests):
        name, _ = role_of(labels)
        assert pod["serviceAccountName"] == name
        assert accounts[name]["automountServiceAccountToken"] is False
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        for mount in pod["containers"][0]["volumeMounts"]:
            volume = volumes.pop(mount["name"])
            if "secret" in volume:
                assert volume["secret"] == {"secretName": name, "defaultMode": 0o440}
                assert (secrets / name).is_dir()
                assert mount["readOnly"] is True
        assert not volumes


def test_every_secret_file_is_used(services: dict[str, Service], secrets: Path) -> None:
    for name, service in services.items():
        settings = service.parts.settings
        told = {getattr(settings, field) for field in type(settings).model_fields if field.endswith("_file")}
        assert set((secrets / name).iterdir()) <= told


def test_during_a_rotation_the_keyring_alone_is_given_both_keys(
    made: Path, give: Callable[[], Path], secrets: Path
) -> None:
    (made / "kek.next").write_text("00" * 32)
    during = give()
    (made / "kek.next").replace(made / "kek")
    for given, keys in ((secrets, {"kek"}), (during, {"kek", "kek.next"}), (give(), {"kek"})):
        assert {path.name for path in given.rglob("kek*")} == keys
        assert {path.parent.name for path in given.rglob("kek*")} == {"keyring"}


def test_while_the_issuers_key_is_changed_exchange_alone_is_given_all_of_them(
    made: Path, give: Callable[[], Path]
) -> None:
    for keys in ({"issuer.jwk", "issuer.jwk.next"}, {"issuer.jwk", "issuer.jwk.retiring"}, {"issuer.jwk"}):
        take_step(made / "issuer.jwk")
        found = list(give().rglob("issuer.jwk*"))
        assert {path.name for path in found} == keys
        assert {path.parent.name for path in found} == {"exchange"}


def test_addresses_lead_to_pods(manifests: list[Manifest]) -> None:
    pods = list(workloads(manifests))
    found = of_kind(manifests, "Service")
    for name, service in found.items():
        chosen = [
            pod for _, labels, pod in pods if selects({"matchLabels": service["spec"]["selector"]}, labels)
        ]
        assert len(chosen) == 1, name
        (port,) = service["spec"]["ports"]
        assert port["targetPort"] in [p["name"] for p in chosen[0]["containers"][0]["ports"]]
    settings = of_kind(manifests, "ConfigMap")["homeward"]["data"]
    for url in (settings["JWKS_URL"], settings["KEYRING_URL"]):
        address = urlsplit(url)
        assert found[str(address.hostname)]["spec"]["ports"][0]["port"] == address.port


def test_deployments_select_their_own_pods(manifests: list[Manifest]) -> None:
    for name, deployment in of_kind(manifests, "Deployment").items():
        selector = deployment["spec"]["selector"]
        assert [other for other, labels, _ in workloads(manifests) if selects(selector, labels)] == [name]


def test_what_answers_stays_up(manifests: list[Manifest]) -> None:
    """Everything that is called has two pods, one of which stays through any maintenance."""
    budgets = of_kind(manifests, "PodDisruptionBudget")
    called = of_kind(manifests, "Service").keys()
    assert budgets.keys() == called
    for name in called:
        deployment = of_kind(manifests, "Deployment")[name]
        assert budgets[name]["spec"]["selector"] == deployment["spec"]["selector"]
        assert budgets[name]["spec"]["minAvailable"] < deployment["spec"]["replicas"]


def test_probes_and_resources(manifests: list[Manifest]) -> None:
    for name, labels, pod in workloads(manifests):
        (container,) = pod["containers"]
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
        assert "memory" in container["resources"]["limits"]
        probes = {p: container[p]["httpGet"] for p in container if p.endswith("Probe")}
        if labels["app.kubernetes.io/component"] == "migrate":
            assert not probes
            continue
        ready = "/healthz" if name == "gateway" else "/readyz"
        paths = {"startupProbe": "/healthz", "readinessProbe": ready, "livenessProbe": "/healthz"}
        assert probes == {probe: {"path": path, "port": "http"} for probe, path in paths.items()}
        assert container["ports"] == [{"name": "http", "containerPort": 8080}]


def test_pods_are_confined(manifests: list[Manifest]) -> None:
    """Pod Security `restricted`, a root that cannot be written, and secrets as files only."""
    namespace = of_kind(manifests, "Namespace")["homeward"]["metadata"]["labels"]
    assert namespace["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, _, pod in workloads(manifests):
        assert pod["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert all(volume.keys() & {"emptyDir", "secret"} for volume in pod.get("volumes", []))
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "secretKeyRef" not in str(container)
        assert "secretRef" not in str(container)
        assert container["image"].count(":") == 1
        assert not container["image"].endswith(":latest")


def test_who_may_talk_to_whom(manifests: list[Manifest]) -> None:
    """Every connection between pods that both ends' policies let pass, and not one more."""
    pods = [labels for _, labels, _ in workloads(manifests)]
    open_ways = {
        (role_of(source), role_of(target))
        for source in pods
        for target in pods
        if passes(manifests, "out", source, target, 8080) and passes(manifests, "in", target, source, 8080)
    }
    gateway, keyring, issuer = ("gateway", "gateway"), ("keyring", "serve"), ("exchange", "serve")
    wanted = {(gateway, (name, "serve")) for name in PUBLIC}
    wanted |= {((name, role), keyring) for name in PUBLIC for role in ("serve", "consume", "relay")}
    wanted |= {((name, "serve"), issuer) for name in {*PUBLIC, "keyring"} - {"exchange"}}
    assert open_ways == wanted


def test_nobody_is_outside_the_policies(manifests: list[Manifest]) -> None:
    policies = of_kind(manifests, "NetworkPolicy")
    assert policies["default-deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    from_outside = [
        name
        for name, p in policies.items()
        if any("from" not in rule for rule in p["spec"].get("ingress", []))
    ]
    assert from_outside == ["gateway"]
    for policy in policies.values():
        assert all(rule["to"] and rule["ports"] for rule in policy["spec"].get("egress", []))


def test_as_kubectl_renders_it(manifests: list[Manifest]) -> None:
    kubectl = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if not kubectl:
        pytest.skip("no kubectl; what it would render is in the files, and tested above")
    done = subprocess.run([kubectl, "kustomize", BASE], check=True, capture_output=True, text=True)
    rendered = list(yaml.safe_load_all(done.stdout))
    assert by_name(rendered) == by_name([as_in_namespace(manifest) for manifest in manifests])


def by_name(manifests: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    return {(m["kind"], m["metadata"]["name"]): m for m in manifests}


def as_in_namespace(manifest: Manifest) -> Manifest:
    """With what the kustomization adds to every manifest."""
    metadata = {**manifest["metadata"], "labels": {**manifest["metadata"].get("labels", {}), **PART}}
    if manifest["kind"] != "Namespace":
        metadata["namespace"] = "homeward"
    return {**manifest, "metadata": metadata}
