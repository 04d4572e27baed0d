import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from gql.local import preflight
from gql.local.errors import LocalRunError
from tasks import store_check
from tasks.settings import JobSettings
from tests import programs
from tests.programs import Valkey


def test_a_port_in_use_is_named_with_an_alternative() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalRunError, match=rf"^port {port} on 127.0.0.1 is in use\. .*PORT=\d+ make run$"):
            preflight.check_port("127.0.0.1", port)


def test_a_free_port_stays_free() -> None:
    port = programs.free_port()
    for _ in range(2):
        preflight.check_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["198.51.100.7", "no such host", "a..b"])
def test_a_host_that_is_not_an_address_of_this_machine_is_refused(host: str) -> None:
    with pytest.raises(LocalRunError, match=f"^HOST is {host}: .*HOST=127.0.0.1"):
        preflight.check_port(host, programs.free_port())


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(LocalRunError, match="cannot be written"), preflight.locked(folder):
            pass


def test_a_data_folder_is_locked_for_one_run(tmp_path: Path) -> None:
    with (
        preflight.locked(tmp_path),
        pytest.raises(LocalRunError, match=rf"in use by process {os.getpid()}\. Stop it"),
        preflight.locked(tmp_path),
    ):
        pass
    with preflight.locked(tmp_path):
        pass


def test_a_data_folder_stays_locked_while_a_program_of_a_killed_run_uses_it(tmp_path: Path) -> None:
    with preflight.locked(tmp_path) as lock:
        left = subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE, pass_fds=(lock,))
    (tmp_path / "lock").write_text("999999999\n")
    with left:
        with pytest.raises(LocalRunError, match="of a killed run"), preflight.locked(tmp_path):
            pass
        left.kill()
    with preflight.locked(tmp_path):
        pass


def test_a_server_that_answers_passes(valkey: Valkey) -> None:
    preflight.check_store(JobSettings(redis_url=valkey.url))


def test_an_unreachable_server_is_named_without_its_password() -> None:
    port = programs.free_port()
    with pytest.raises(
        LocalRunError, match=f"^REDIS_URL redis://user@127.0.0.1:{port}/0 does not answer .*refused"
    ) as error:
        preflight.check_store(JobSettings(redis_url=f"redis://user:secret@127.0.0.1:{port}/0"))
    assert "secret" not in str(error.value)


def test_a_wrong_password_is_reported_and_not_printed(tmp_path: Path) -> None:
    with programs.valkey(tmp_path) as server, redis.Redis(port=server.port) as client:
        client.config_set("requirepass", "right")
        for url in (server.url, server.url.replace("//", "//:secret@")):
            with pytest.raises(LocalRunError, match="wrong or missing user or password") as error:
                preflight.check_store(JobSettings(redis_url=url))
            assert "secret" not in str(error.value)
        client.execute_command("AUTH", "right")
        client.config_set("requirepass", "")


def test_a_server_that_does_not_answer_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with pytest.raises(LocalRunError, match="Timeout"):
            preflight.check_store(JobSettings(redis_url=url))


def test_a_server_in_cluster_mode_is_refused(tmp_path: Path) -> None:
    """Scripts build names of keys, which a cluster would spread over its servers."""
    options: dict[str, Any] = {"cluster-enabled": "yes", "cluster-port": str(programs.free_port())}
    with programs.valkey(tmp_path, **options) as server:
        with pytest.raises(LocalRunError, match=f"^REDIS_URL is {server.url}: the server is in cluster mode"):
            preflight.check_store(JobSettings(redis_url=server.url))
        with pytest.raises(SystemExit, match=r"^error: REDIS_URL is .* cluster mode"):
            store_check.check_or_exit(JobSettings(redis_url=server.url))


def test_a_program_that_waits_for_its_store_starts_without_it() -> None:
    store_check.check_or_exit(JobSettings(redis_url=f"redis://127.0.0.1:{programs.free_port()}/0"))


def test_an_unknown_host_name_is_reported() -> None:
    with pytest.raises(LocalRunError, match="not known"):
        preflight.check_store(JobSettings(redis_url="redis://no-such-host.invalid:6379/0"))
