# SPDX-License-Identifier: Apache-2.0
"""HTTP servers: nginx in front of httpbin, and jetconf (RESTCONF) behind haproxy, with an authority of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.integration.servers import needs
from tests.integration.servers.site import Site
from tests.integration.servers.sockets import free_port

YANG = Path("/usr/share/yuma/modules/ietf")
USER, PASSWORD = "admin", "web-pass-123"


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """Ports of nginx: plain, TLS, TLS with HTTP/2, TLS with our certificate wanted, TLS as old devices speak it, and
    one with a certificate for another name. `ca` and `client` are PEM files."""

    plain: int
    tls: int
    http2: int
    mutual: int
    old: int
    misnamed: int
    ca: Path
    client: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Jetconf:
    """Ports of haproxy before jetconf: HTTP and HTTPS with Basic authentication; and of jetconf itself: HTTP/2 for
    those who show a certificate. `ca` and `client` are PEM files."""

    plain: int
    tls: int
    direct: int
    ca: Path
    client: Path


def start_nginx(site: Site) -> Web:
    needs.root("nginx")
    nginx = needs.program("nginx", "nginx-light")
    gunicorn = installed("gunicorn", "gunicorn httpbin")
    folder = site.folder / "web"
    certify(folder)
    behind = free_port()
    site.start(
        "httpbin",
        [gunicorn, "-b", f"127.0.0.1:{behind}", "-k", "gthread", "--threads", "16", "httpbin:app"],
        port=behind,
        serves=False,
    )
    web = Web(
        plain=free_port(),
        tls=free_port(),
        http2=free_port(),
        mutual=free_port(),
        old=free_port(),
        misnamed=free_port(),
        ca=folder / "ca.pem",
        client=folder / "client.pem",
    )
    hashed = subprocess.run(
        ["openssl", "passwd", "-apr1", PASSWORD], check=True, capture_output=True, text=True
    ).stdout.strip()
    (folder / "users").write_text(f"{USER}:{hashed}\n")
    (folder / "www").mkdir()
    (folder / "www" / "index.html").write_text("hello\n")
    (folder / "www" / "big.bin").write_bytes(bytes(range(256)) * 80_000)
    (folder / "tmp").mkdir()
    paths = "".join(
        f" {kind}_temp_path {folder}/tmp/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    own = f"ssl_certificate {folder}/server.crt; ssl_certificate_key {folder}/server.key;"
    other = f"ssl_certificate {folder}/other.crt; ssl_certificate_key {folder}/other.key;"
    through = f"location / {{ proxy_pass http://127.0.0.1:{behind}; }}"
    (folder / "nginx.conf").write_text(
        f"""
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log info;
events {{ worker_connections 512; }}
http {{
  access_log off; {paths}
  limit_req_zone $server_port zone=few:1m rate=2r/s;
  proxy_buffering off; proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection "";
  server {{ listen 127.0.0.1:{web.plain}; root {folder}/www;
    location /private/ {{ auth_basic device; auth_basic_user_file {folder}/users; alias {folder}/www/; }}
    location /few/ {{ limit_req zone=few; limit_req_status 429; error_page 429 = @later; alias {folder}/www/; }}
    location @later {{ internal; add_header Retry-After 1 always; return 429 "later"; }}
    location = /moved {{ return 307 /anything; }}
    location = /elsewhere {{ return 302 http://192.0.2.1/; }}
    location = /drop {{ return 444; }}
    location = /big.bin {{ }}
    {through} }}
  server {{ listen 127.0.0.1:{web.tls} ssl; {own} {through} }}
  server {{ listen 127.0.0.1:{web.http2} ssl http2; {own} keepalive_requests 50; root {folder}/www;
    client_max_body_size 2m;
    location = /big.bin {{ }}
    {through} }}
  server {{ listen 127.0.0.1:{web.mutual} ssl; {own} ssl_client_certificate {folder}/ca.pem; ssl_verify_client on;
    location / {{ return 200 "$ssl_client_s_dn"; }} }}
  server {{ listen 127.0.0.1:{web.old} ssl; {own} ssl_protocols TLSv1.2; ssl_ciphers AES128-SHA:@SECLEVEL=0;
    keepalive_timeout 0; location / {{ return 200 "old"; }} }}
  server {{ listen 127.0.0.1:{web.misnamed} ssl; {other} location / {{ return 200 "misnamed"; }} }}
}}
"""
    )
    site.start(
        "nginx",
        [nginx, "-p", str(folder), "-c", f"{folder}/nginx.conf"],
        port=web.plain,
    )
    return web


def start_jetconf(site: Site) -> Jetconf:
    needs.root("jetconf")
    haproxy = needs.program("haproxy", "haproxy")
    jetconf = installed("jetconf", "jetconf 'setuptools<81'")
    if not YANG.exists():
        needs.missing("no YANG modules: apt-get install --no-install-recommends libyuma-base")
    folder = site.folder / "jetconf"
    certify(folder)
    port = free_port()
    (folder / "backend_of_tests").mkdir()
    (folder / "backend_of_tests" / "__init__.py").write_text("")
    (folder / "backend_of_tests" / "usr_datastore.py").write_text(
        "from jetconf.data import JsonDatastore as UserDatastore\n"
    )
    (folder / "yang").mkdir()
    (folder / "doc").mkdir()
    modules = []
    for name, kind in (
        ("ietf-interfaces", "implement"),
        ("iana-if-type", "implement"),
        ("ietf-ip", "implement"),
        ("ietf-yang-library", "implement"),
        ("ietf-yang-types", "import"),
        ("ietf-inet-types", "import"),
    ):
        file = max(YANG.glob(f"{name}@*.yang"))
        shutil.copy(file, folder / "yang")
        modules.append(
            {
                "name": name,
                "revision": file.stem.partition("@")[2],
                "namespace": f"urn:ietf:params:xml:ns:yang:{name}",
                "conformance-type": kind,
            }
        )
    library = {"ietf-yang-library:modules-state": {"module-set-id": "tests", "module": modules}}
    (folder / "backend_of_tests" / "yang-library-data.json").write_text(json.dumps(library))
    interfaces = [
        {
            "name": "GigabitEthernet0/0",
            "description": "uplink",
            "type": "iana-if-type:ethernetCsmacd",
            "enabled": True,
        },
        {"name": "Loopback0", "type": "iana-if-type:softwareLoopback"},
    ]
    (folder / "data.json").write_text(json.dumps({"ietf-interfaces:interfaces": {"interface": interfaces}}))
    (folder / "config.yaml").write_text(
        f"""
GLOBAL: {{LOGFILE: "-", PIDFILE: "{folder}/pid", YANG_LIB_DIR: "{folder}/yang", DATA_JSON_FILE: "{folder}/data.json",
  BACKEND_PACKAGE: backend_of_tests}}
HTTP_SERVER: {{DOC_ROOT: "{folder}/doc", LISTEN_LOCALHOST_ONLY: true, PORT: {port},
  SERVER_SSL_CERT: "{folder}/server.crt", SERVER_SSL_PRIVKEY: "{folder}/server.key",
  CA_CERT: "{folder}/ca.pem", DBG_DISABLE_CERT: false}}
NACM: {{ENABLED: false, ALLOWED_USERS: ["client@example.net"]}}
"""
    )
    site.start(
        "jetconf",
        [jetconf, "-c", f"{folder}/config.yaml"],
        port=port,
        serves=False,
        environment={"PYTHONPATH": str(folder)},
    )
    plain, tls = free_port(), free_port()
    (folder / "haproxy.cfg").write_text(
        f"""
global
  maxconn 200
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
userlist known
  user {USER} insecure-password {PASSWORD}
frontend rest
  bind 127.0.0.1:{plain}
  bind 127.0.0.1:{tls} ssl crt {folder}/server.pem alpn http/1.1
  http-request auth realm restconf unless {{ http_auth(known) }}
  default_backend jetconf
backend jetconf
  server one 127.0.0.1:{port} ssl crt {folder}/client.pem ca-file {folder}/ca.pem alpn h2 verify required
"""
    )
    site.start("haproxy", [haproxy, "-db", "-f", f"{folder}/haproxy.cfg"], port=plain)
    return Jetconf(
        plain=plain,
        tls=tls,
        direct=port,
        ca=folder / "ca.pem",
        client=folder / "client.pem",
    )


def installed(program: str, packages: str) -> str:
    """A program that pip installs: beside this Python, or on PATH."""
    beside = Path(sys.executable).parent / program
    found = str(beside) if beside.exists() else shutil.which(program)
    return found or needs.missing(f"{program} is not installed: pip install {packages}")


def certify(folder: Path) -> None:
    """`ca.pem`, and `server`, `other` (for another name) and `client`, each as .crt, .key and .pem."""
    needs.program("openssl", "openssl")
    folder.mkdir()
    _openssl(
        f"req -x509 -newkey rsa:2048 -nodes -keyout {folder}/ca.key -out {folder}/ca.pem -days 2 -subj /CN=tests"
    )
    for name, names in (
        ("server", "DNS:localhost,IP:127.0.0.1"),
        ("other", "DNS:r1.example"),
        ("client", "DNS:client.example"),
    ):
        (folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        _openssl(
            f"req -newkey rsa:2048 -nodes -keyout {folder}/{name}.key -out {folder}/{name}.csr"
            f" -subj /CN={name}/emailAddress={name}@example.net"
        )
        _openssl(
            f"x509 -req -in {folder}/{name}.csr -CA {folder}/ca.pem -CAkey {folder}/ca.key -CAcreateserial"
            f" -days 2 -out {folder}/{name}.crt -extfile {folder}/{name}.ext"
        )
        pair = (folder / f"{name}.crt").read_text() + (folder / f"{name}.key").read_text()
        (folder / f"{name}.pem").write_text(pair)


def _openssl(arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], check=True, capture_output=True)
