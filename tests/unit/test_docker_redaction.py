"""What looks like a secret is not published; what drift is about stays readable."""

import json

import pytest

from agents.docker import redaction

SECRET = "Zx9-hunter2-qwerty"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"
RANDOM = "q8ZrT1vXk2LmN7bPw4YcD9sHf6GjA3eU"


@pytest.mark.parametrize(
    "name",
    [
        *("DB_PASSWORD", "MYSQL_ROOT_PASSWORD", "PGPASSWORD", "REDIS_PASS", "SMTP_PWD", "passphrase", "API_TOKEN"),
        *("GITHUB_TOKEN", "SECRET_KEY_BASE", "clientSecret", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "API_KEY"),
        *("apiKey", "PRIVATE_KEY", "WG_PRIVATE", "CREDENTIALS", "BASIC_AUTH", "PROXY_AUTHORIZATION", "JWT", "DSN"),
        *("SENTRY_DSN", "ENCRYPTION_KEY", "VAPID_KEY", "SESSION_COOKIE", "SALT", "HTPASSWD", "CONNECTION_STRING"),
    ],
)
def test_a_value_is_hidden_by_its_name(name):
    assert redaction.value(name, SECRET) == redaction.REDACTED


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("AUTHOR", "Ann"),
        ("PWD", "/app"),
        ("KEYBOARD", "de"),
        ("PASSENGER_PORT", "80"),
        ("AUTH_ENABLED", "true"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/pg"),
        ("DB_PASSWORD", ""),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"),
        ("URL", "http://registry:5000/x@y"),
        ("URL", "https://user@host/x"),
        ("TZ", "Europe/Berlin"),
        ("IMAGE", "nginx@sha256:4c0fdaa8b6341bfdeca5f18f7837462c80cff90527ee35ef185571e1c327beac"),
        ("NGINX_SHA256", "4c0fdaa8b6341bfdeca5f18f7837462c80cff90527ee35ef185571e1c327beac"),
        ("com.docker.compose.config-hash", "4c0fdaa8b6341bfdeca5f18f7837462c80cff90527ee35ef185571e1c327beac"),
        ("org.opencontainers.image.revision", "9f8b4c0fdaa8b6341bfdeca5f18f7837462c80cf"),
        ("traefik.http.routers.web.middlewares", "auth@docker"),
        ("traefik.http.routers.web.rule", "Host(`a.example`) && PathPrefix(`/`)"),
        ("INSTANCE", "0b9c1c3e-6f0a-4a56-9a44-0b7a3b0a4f7e"),
        ("SERVICE", "my-very-long-service-name-in-production-with-number-1"),
        ("JAVA_OPTS", "-Xmx512m -Dserver.port=8080"),
    ],
)
def test_what_is_no_secret_stays(name, content):
    assert redaction.value(name, content) == content


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (f"postgres://me:{SECRET}@db:5432/x", "postgres://me:<redacted>@db:5432/x"),
        (f"redis://:{SECRET}@cache", "redis://:<redacted>@cache"),
        ("https://ghp_0123456789abcdef0123@github.com/a/b", "https://<redacted>@github.com/a/b"),
        (f"Server=db;User=me;Password={SECRET};Port=1", "Server=db;User=me;Password=<redacted>;Port=1"),
        (f'{{"user": "me", "password": "{SECRET}"}}', '{"user": "me", "password": "<redacted>"}'),
        (f"http://x/?api_key={SECRET}&b=1", "http://x/?api_key=<redacted>&b=1"),
        ("ghp_abcdefghij0123456789", "<redacted>"),
        (f"Authorization: Bearer {SECRET}", "Authorization: <redacted> <redacted>"),
        ("admin:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/", "admin:<redacted>"),
        (JWT, "<redacted>"),
        (PEM, "<redacted>"),
        (RANDOM, "<redacted>"),
    ],
)
def test_a_value_is_hidden_by_what_it_looks_like(content, shown):
    assert redaction.value("SETTING", content) == shown


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["x", f"--password={SECRET}"], ["x", "--password=<redacted>"]),
        (["x", "--password", SECRET, "y"], ["x", "--password", "<redacted>", "y"]),
        (["redis-server", "--requirepass", SECRET], ["redis-server", "--requirepass", "<redacted>"]),
        (["mysql", "-u", "me", f"-p{SECRET}"], ["mysql", "-u", "me", "-p<redacted>"]),
        (["/usr/bin/redis-cli", "-a", SECRET], ["/usr/bin/redis-cli", "-a", "<redacted>"]),
        (["sh", "-c", f"DB_PASSWORD={SECRET} run"], ["sh", "-c", "DB_PASSWORD=<redacted> run"]),
        (["sh", "-c", f"run --token {SECRET} --fast"], ["sh", "-c", "run --token <redacted> --fast"]),
        (["CMD-SHELL", f"curl -u me:{SECRET} http://x"], ["CMD-SHELL", "curl -u me:<redacted> http://x"]),
        (["nginx", "-p", "/etc/nginx", "-g", "daemon off;"], ["nginx", "-p", "/etc/nginx", "-g", "daemon off;"]),
        (["x", "--token-file", "/run/t", "--auth"], ["x", "--token-file", "/run/t", "--auth"]),
        (["x", "--secret", "--fast", "2"], ["x", "--secret", "--fast", "2"]),
    ],
)
def test_a_command_line_hides_what_its_flags_announce(words, shown):
    assert redaction.command(words) == shown


def test_the_environment_becomes_names_and_values_in_order():
    assert redaction.environment(["B=2", "A=x=y", "FLAG", f"TOKEN={SECRET}"]) == {
        "A": "x=y",
        "B": "2",
        "FLAG": "",
        "TOKEN": "<redacted>",
    }


def test_a_huge_value_is_cut():
    shown = redaction.value("CONFIG", "word " * 10_000)

    assert len(shown) < 3000
    assert shown.endswith("more characters>")


def test_redacting_twice_changes_nothing():
    pairs = {"URL": f"postgres://me:{SECRET}@db/x", "CONF": f"a;Password={SECRET};b", "TOKEN": SECRET, "J": JWT}
    once = redaction.mapping(pairs)

    assert redaction.mapping(once) == once
    assert SECRET not in json.dumps(once)
