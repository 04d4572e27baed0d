from pathlib import Path

import pytest

from gql.local.errors import LocalRunError
from gql.local.settings import ROOT, read_settings


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "abc", "PORT is abc: must be 1 to 65535"),
        ("PORT", "70000", "PORT is 70000: must be"),
        ("WORKERS", "0", "WORKERS is 0: must be 1 to 256"),
        ("REDIS_URL", "foo", "REDIS_URL is invalid: must begin with redis://"),
        ("QUEUE_CAPACITY", "none", "QUEUE_CAPACITY is none: must be 1 to 1000000000"),
    ],
)
def test_an_invalid_value_is_one_line_with_its_name_and_bound(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(LocalRunError) as error:
        read_settings()
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_password_in_an_invalid_url_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "nonsense://user:secret@host")
    with pytest.raises(LocalRunError) as error:
        read_settings()
    assert "secret" not in str(error.value)


def test_an_empty_value_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "HOST", "DATA_DIR", "REDIS_URL", "WORKERS"):
        monkeypatch.setenv(name, "")
    settings = read_settings()
    assert (settings.port, settings.host, settings.data_dir) == (8000, "127.0.0.1", ROOT / ".data")
    assert settings.redis_url is None
    assert settings.workers >= 1


def test_a_relative_folder_is_relative_to_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", "here")
    assert read_settings().data_dir == tmp_path / "here"
