"""CHAP passwords are derived: the same again after a crash, different for each export and each key."""

import base64

import pytest

from fairlead_crds.credentials import PASSWORD_LENGTH, KeyRing, chap_password, key_id

KEY, OTHER = b"k" * 32, b"o" * 32


def test_a_password_is_the_same_each_time_and_another_for_each_handle_and_key() -> None:
    assert chap_password(KEY, "h") == chap_password(KEY, "h")
    assert len({chap_password(key, handle) for key in (KEY, OTHER) for handle in ("h", "i")}) == 4


def test_a_password_has_a_length_that_every_initiator_takes() -> None:
    assert len(chap_password(KEY, "h")) == PASSWORD_LENGTH == 16


def test_a_ring_survives_its_secret() -> None:
    ring = KeyRing(key_id(KEY), {key_id(KEY): KEY, key_id(OTHER): OTHER})
    assert KeyRing.from_secret(ring.to_secret()) == ring


def test_an_export_keeps_the_password_of_the_key_it_was_made_under() -> None:
    ring = KeyRing(key_id(KEY), {key_id(KEY): KEY, key_id(OTHER): OTHER})
    assert ring.password("h", key_id(OTHER)) == chap_password(OTHER, "h")
    assert ring.password("h", None) == chap_password(KEY, "h")
    with pytest.raises(KeyError):
        ring.password("h", "gone")


@pytest.mark.parametrize("data", [{}, {"current": base64.b64encode(b"gone").decode()}])
def test_a_secret_without_its_current_key_is_refused(data: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no current key"):
        KeyRing.from_secret(data)


def test_a_key_is_not_shown() -> None:
    assert "kkk" not in repr(KeyRing.new(KEY))
