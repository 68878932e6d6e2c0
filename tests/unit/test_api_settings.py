"""The process's options."""

from typing import Any

import pytest

from fairlead_api.settings import Settings


def test_options_have_defaults() -> None:
    assert Settings.read([], {}) == Settings()


def test_the_environment_gives_options_and_the_command_line_wins() -> None:
    environment = {"FAIRLEAD_PORT": "1", "FAIRLEAD_EXPORT_TIMEOUT": "2.5", "FAIRLEAD_CREATE_NAMESPACES": "false"}
    settings = Settings.read(["--port", "3"], environment)
    assert (settings.port, settings.export_timeout, settings.create_namespaces) == (3, 2.5, False)


def test_namespaces_are_named_with_commas_and_no_others_are_made() -> None:
    settings = Settings.read([], {"FAIRLEAD_NAMESPACES": "b, a,b,"})
    assert (settings.namespaces, settings.create_namespaces) == (("b", "a"), False)


def test_a_public_endpoint_has_no_trailing_slash() -> None:
    assert Settings.read(["--public-endpoint", "https://v.example/"], {}).public_endpoint == "https://v.example"


@pytest.mark.parametrize(
    ("arguments", "environment", "word"),
    [
        (["--port", "70000"], {}, "70000"),
        (["--export-timeout", "0"], {}, "'0' is not a time"),
        ([], {"FAIRLEAD_PORT": "many"}, "many"),
        (["--auth-mode", "trust"], {}, "trust"),
        (["--host", "0.0.0.0"], {}, "--allow-insecure-noauth"),
        (["--host", "192.0.2.1"], {}, "192.0.2.1 is not"),
        (["--host", "api.example"], {}, "loopback only"),
        (["--namespaces", "a,B"], {}, "'B' is not the name of a namespace"),
        (["--namespaces", "a", "--create-namespaces"], {}, "makes other namespaces"),
    ],
)
def test_a_wrong_option_is_said_and_nothing_starts(
    arguments: list[str], environment: dict[str, str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        Settings.read(arguments, environment)
    assert ended.value.code == 2
    assert word in capsys.readouterr().err


def test_a_flag_of_the_environment_is_true_or_false() -> None:
    with pytest.raises(SystemExit, match="FAIRLEAD_CREATE_NAMESPACES is 'maybe'"):
        Settings.read([], {"FAIRLEAD_CREATE_NAMESPACES": "maybe"})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.10"])
def test_noauth_is_served_on_loopback(host: str) -> None:
    assert Settings.read(["--host", host], {}).host == host


def test_noauth_is_served_elsewhere_only_when_that_is_said() -> None:
    arguments: list[Any] = ["--host", "0.0.0.0", "--allow-insecure-noauth"]
    assert Settings.read(arguments, {}).host == "0.0.0.0"
