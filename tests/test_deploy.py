"""What `deploy/` ships, held to the schemas of those who read it and to what this server has."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from proxy.settings import Settings
from proxy.telemetry import metrics
from tests.sources import ROOT

kubernetes_validate = pytest.importorskip("kubernetes_validate")  # 108 MB, which CI alone loads
yaml = pytest.importorskip("yaml")
jsonschema = pytest.importorskip("jsonschema")

FOLDER = ROOT / "deploy"
KUBERNETES = "1.34"
OBJECTS = list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8")))
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))


def of_kind(kind: str) -> Any:
    [found] = [one for one in OBJECTS if one["kind"] == kind]
    return found


@pytest.mark.parametrize("manifest", OBJECTS, ids=lambda one: one["kind"])
def test_kubernetes_takes_each_object(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_a_misspelt_field_would_be_found() -> None:
    service = of_kind("Service")
    bad = {**service, "spec": {**service["spec"], "selektor": {}}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(bad, KUBERNETES, strict=True)


def test_compose_takes_its_file() -> None:
    place = files("check_jsonschema.builtin_schemas") / "vendor" / "compose-spec.json"
    check = jsonschema.Draft202012Validator(json.loads(place.read_text(encoding="utf-8"))).is_valid
    bad = {**COMPOSE, "services": {"one": {**COMPOSE["services"]["valkey"], "restarts": "no"}}}
    assert (check(COMPOSE), check(bad)) == (True, False)


def test_every_setting_that_is_named_is_one() -> None:
    known = {f"POINTSMAN_{name.upper()}" for name in Settings.model_fields}
    lines = (FOLDER / "example.env").read_text(encoding="utf-8").splitlines()
    named = {
        *of_kind("Secret")["stringData"],
        *of_kind("ConfigMap")["data"],
        *COMPOSE["services"]["pointsman-1"]["environment"],
        *(line.partition("=")[0] for line in lines if "=" in line),
    }
    ours = {name for name in named if name.startswith("POINTSMAN_")}
    assert ours <= known
    assert {"POINTSMAN_SHARED_URL", "POINTSMAN_DATABASE_URL", "POINTSMAN_API_KEYS"} <= ours


def test_who_is_told_to_end_has_the_time_to() -> None:
    told = {**Settings().model_dump(), **_numbers(of_kind("ConfigMap")["data"])}
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > told["drain_s"] + told["drain_pause_s"]
    probe = pod["containers"][0]["readinessProbe"]
    assert told["drain_pause_s"] > 2 * probe["periodSeconds"] * probe["failureThreshold"]
    for name in ("pointsman-1", "pointsman-2"):
        service = COMPOSE["services"][name]
        told = {**Settings().model_dump(), **_numbers(service["environment"])}
        grace_s = int(service["stop_grace_period"].removesuffix("s"))
        assert grace_s > told["drain_s"] + told["drain_pause_s"]


def _numbers(environment: dict[str, str]) -> dict[str, float]:
    names = ("drain_s", "drain_pause_s")
    found = {name: environment.get(f"POINTSMAN_{name.upper()}") for name in names}
    return {name: float(value) for name, value in found.items() if value}


def test_kubernetes_asks_for_what_there_is() -> None:
    [container] = of_kind("Deployment")["spec"]["template"]["spec"]["containers"]
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    paths = [container[probe]["httpGet"]["path"] for probe in probes]
    assert paths == ["/health/live", "/health/live", "/health/ready"]
    [metric] = of_kind("HorizontalPodAutoscaler")["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"].removeprefix("pointsman_")
    assert f'"{name}"' in Path(metrics.__file__).read_text(encoding="utf-8")
    labels = of_kind("Deployment")["spec"]["template"]["metadata"]["labels"]
    for kind in ("Service", "PodDisruptionBudget"):
        selector = of_kind(kind)["spec"]["selector"]
        assert selector.get("matchLabels", selector).items() <= labels.items()
