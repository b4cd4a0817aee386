import base64
import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeys.verify import secret
from config.lib.peppers import Pepper, parse_peppers

OLD, NEW = Pepper(1, b"o" * 32), Pepper(2, b"n" * 32)


def test_a_minted_secret_has_the_documented_form() -> None:
    text = secret.mint("sk", "live", NEW).plaintext.reveal()
    assert text.startswith("sk_live_")
    assert len(text.removeprefix("sk_live_")) == 32
    assert text.removeprefix("sk_live_").isalnum()


def test_minted_secrets_differ_after_a_fork() -> None:
    parent = {secret.mint("sk", "live", NEW).plaintext.reveal() for _ in range(5000)}
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(
            writing,
            pickle.dumps([secret.mint("sk", "live", NEW).plaintext.reveal() for _ in range(500)]),
        )
        os._exit(0)
    os.waitpid(child, 0)
    theirs = set(pickle.loads(os.read(reading, 2**20)))
    assert len(parent) == 5000
    assert len(theirs) == 500
    assert not parent & theirs


def test_neither_repr_nor_str_shows_a_secret() -> None:
    tagged = secret.mint("sk", "live", NEW)
    for shown in (
        repr(tagged),
        str(tagged.plaintext),
        repr(tagged.plaintext),
        f"{tagged.plaintext}",
    ):
        assert tagged.plaintext.body not in shown
        assert tagged.plaintext.body[4:16] not in shown


def test_the_mask_shows_four_random_characters_and_four_of_the_tag() -> None:
    plaintext = secret.mint("ak", "test", NEW).plaintext
    assert plaintext.mask == f"ak_test_{plaintext.body[:4]}…{plaintext.body[-4:]}"


def test_a_tag_holds_under_its_own_pepper_only() -> None:
    tagged = secret.mint("sk", "live", OLD)
    assert secret.check_tag(tagged.plaintext, [OLD]) == tagged
    assert secret.check_tag(tagged.plaintext, [NEW]) is None


def test_an_old_secret_is_found_after_the_pepper_rotated() -> None:
    tagged = secret.mint("sk", "live", OLD)
    found = secret.check_tag(tagged.plaintext, [NEW, OLD])
    assert found == tagged
    assert found.pepper_version == 1


@given(position=st.integers(0, 31), character=st.sampled_from(secret.ALPHABET))
def test_one_changed_character_breaks_the_tag(position: int, character: str) -> None:
    tagged = secret.mint("sk", "live", NEW)
    body = tagged.plaintext.body
    changed = body[:position] + character + body[position + 1 :]
    found = secret.check_tag(secret.Plaintext("sk", "live", changed), [NEW])
    assert (found is not None) == (changed == body)


def test_the_environment_and_the_prefix_are_under_the_tag() -> None:
    body = secret.mint("sk", "test", NEW).plaintext.body
    assert secret.check_tag(secret.Plaintext("sk", "live", body), [NEW]) is None
    assert secret.check_tag(secret.Plaintext("ak", "test", body), [NEW]) is None


@given(st.text(max_size=100))
def test_parse_never_raises_and_reads_back_what_it_accepts(text: str) -> None:
    plaintext = secret.parse(text)
    assert plaintext is None or plaintext.reveal() == text


@pytest.mark.parametrize("odd", ["\n", " ", "\0", "é", "\u0661", ","])
def test_a_secret_with_an_odd_character_is_not_a_secret(odd: str) -> None:
    text = secret.mint("sk", "live", NEW).plaintext.reveal()
    assert secret.parse(text)
    assert secret.parse(text + odd) is None
    assert secret.parse(odd + text) is None
    assert secret.parse(text[:-1] + odd) is None


def test_an_operator_can_brand_the_prefix() -> None:
    text = secret.mint("acme_sk", "live", NEW).plaintext.reveal()
    plaintext = secret.parse(text)
    assert plaintext
    assert plaintext.prefix == "acme_sk"


@pytest.mark.parametrize(
    "text", ["1", "x:AAAA", "0:AAAA", "40000:AAAA", "1:!!!", "1:QUFBQQ,1:QkJCQg"]
)
def test_what_is_no_list_of_peppers_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError, match="KEYWAY_PEPPERS") as error:
        parse_peppers(text)
    assert "QUFBQQ" not in str(error.value)


def test_peppers_are_read_newest_first_and_never_shown() -> None:
    key = base64.urlsafe_b64encode(b"p" * 32).decode()
    peppers = parse_peppers(f"2:{key}, 1:{key}")
    assert [pepper.version for pepper in peppers] == [2, 1]
    assert "ppp" not in repr(peppers)
