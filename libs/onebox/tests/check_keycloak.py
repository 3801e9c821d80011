"""``make test-keycloak``: a partner whose own Keycloak vouches for it reads its feed. Keycloak is fetched by
Maven and started here, so this is not among the tests that run by themselves."""

import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.ports import free_port
from harness.proving import prove
from homeward.common import jose

from .running import Up, homeward

VERSION = "26.5.6"
ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
KEPT = Path(__file__).parents[3] / "build" / "keycloak"
ADMIN, PASSWORD, SECRET = "admin", "only-for-this-test", "only-for-this-test-either"
REALM, CLIENT = "agency", "case-system"
LIMIT = 180


class Keycloak:
    """A server of its own, with nothing in it."""

    def __init__(self, home: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.issuer = f"{self.url}/realms/{REALM}"
        self.keys_url = f"{self.issuer}/protocol/openid-connect/certs"
        self._log = home / "said.log"
        command = [str(home / "bin" / "kc.sh"), "start-dev", "--http-host=127.0.0.1", f"--http-port={port}"]
        bootstrap = {"KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN, "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD}
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | bootstrap)
        self._http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def wait(self) -> None:
        deadline = time.monotonic() + LIMIT
        while True:
            waited_for = self._process.poll() is None and time.monotonic() < deadline
            assert waited_for, self._log.read_text()[-2000:]
            try:
                if self._http.get("/realms/master").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.5)

    def create_client(self, audience: str) -> None:
        """A realm, with a client that may get tokens by its secret, for ``audience``."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": PASSWORD}
        got = self._http.post("/realms/master/protocol/openid-connect/token", data=form).raise_for_status()
        self._http.headers["Authorization"] = f"Bearer {got.json()['access_token']}"
        self._http.post("/admin/realms", json={"realm": REALM, "enabled": True}).raise_for_status()
        mapper = {
            "name": "homeward",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": {"included.custom.audience": audience, "access.token.claim": "true"},
        }
        client = {
            "clientId": CLIENT,
            "secret": SECRET,
            "publicClient": False,
            "serviceAccountsEnabled": True,
            "standardFlowEnabled": False,
            "protocolMappers": [mapper],
        }
        self._http.post(f"/admin/realms/{REALM}/clients", json=client).raise_for_status()

    def token(self) -> str:
        """What Keycloak gives the client."""
        form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}
        answer = httpx.post(f"{self.issuer}/protocol/openid-connect/token", data=form, timeout=30)
        return str(answer.raise_for_status().json()["access_token"])

    def stop(self) -> None:
        self._http.close()
        self._process.terminate()
        self._process.wait(LIMIT)


@pytest.fixture
def keycloak(tmp_path: Path) -> Iterator[Keycloak]:
    archive = KEPT / f"keycloak-quarkus-dist-{VERSION}.zip"
    if not archive.exists():
        maven = shutil.which("mvn")
        assert maven, "Maven must be on the PATH to fetch Keycloak"
        command = [maven, "-q", "-B", COPY, f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={KEPT}"]
        subprocess.run(command, check=True, timeout=600)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path)
    home = tmp_path / f"keycloak-{VERSION}"
    (home / "bin" / "kc.sh").chmod(0o700)
    keycloak = Keycloak(home, free_port())
    with ExitStack() as stack:
        stack.callback(keycloak.stop)
        keycloak.wait()
        yield keycloak


@pytest.mark.timeout(900)
def test_a_partner_for_whom_its_keycloak_vouches_reads_its_feed(keycloak: Keycloak, tmp_path: Path) -> None:
    issuers = tmp_path / "issuers.json"
    issuers.write_text(f'{{"{keycloak.issuer}": "{keycloak.keys_url}"}}')
    with Up(tmp_path / "platform", EXCHANGE_ISSUERS_FILE=str(issuers)) as platform:
        keycloak.create_client(platform.base_url)
        added = homeward(
            "partner", "add", "new-ngo", "--name", "New NGO", "--kind", "NGO", "--country", "THA",
            "--purpose", "assistance", "--clearance", "envelope",
            "--vouched-by", keycloak.issuer, "--vouched-as", CLIENT,
            "--as", platform.credentials / "operator.json",
        )  # fmt: skip
        assert added.returncode == 0, added.stderr
        with httpx.Client(base_url=platform.base_url, trust_env=False) as http:
            assert _read(http, keycloak.token()) == {"events": [], "more": False}


def _read(http: httpx.Client, theirs: str) -> dict[str, Any]:
    """The feed, by a token of ours for one of theirs, bound to a key."""
    key, base = jose.new_key(), str(http.base_url).rstrip("/")
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": theirs,
    }
    url = f"{base}/oauth/token"
    wanted = http.post("/oauth/token", data=form, headers={"DPoP": prove(key, "POST", url)})
    nonce = wanted.headers["dpop-nonce"]
    granted = http.post("/oauth/token", data=form, headers={"DPoP": prove(key, "POST", url, nonce=nonce)})
    assert granted.is_success, granted.text
    token = granted.json()["access_token"]
    proof = prove(key, "GET", f"{base}/v1/events", token=token, nonce=nonce)
    page = http.get("/v1/events", headers={"Authorization": f"DPoP {token}", "DPoP": proof})
    assert page.is_success, page.text
    return {name: page.json()[name] for name in ("events", "more")}
