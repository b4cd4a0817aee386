import base64
import hmac
import os
import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeys.verify import secret
from config.lib.peppers import Pepper, parse_peppers

OLD, NEW = Pepper(1, b"o" * 32), Pepper(2, b"n" * 32)


def test_minted_secret_has_the_documented_form() -> None:
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


def test_minted_secrets_do_not_follow_a_seed() -> None:
    minted = []
    for _ in range(2):
        random.seed(0)
        minted.append(secret.mint("sk", "live", NEW).plaintext.reveal())
    assert minted[0] != minted[1]


def test_repr_and_str_hide_the_secret() -> None:
    tagged = secret.mint("sk", "live", NEW)
    for shown in (
        repr(tagged),
        str(tagged.plaintext),
        repr(tagged.plaintext),
        f"{tagged.plaintext}",
    ):
        assert tagged.plaintext.body not in shown
        assert tagged.plaintext.body[4:16] not in shown


def test_mask_shows_four_random_characters_and_tag() -> None:
    plaintext = secret.mint("ak", "test", NEW).plaintext
    assert plaintext.mask == f"ak_test_{plaintext.body[:4]}…{plaintext.body[-4:]}"


def test_tag_holds_under_its_own_pepper_only() -> None:
    tagged = secret.mint("sk", "live", OLD)
    assert secret.check_tag(tagged.plaintext, [OLD]) == tagged
    assert secret.check_tag(tagged.plaintext, [NEW]) is None


def test_every_pepper_is_tried_whichever_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bool] = []

    def compare(left: str, right: str) -> bool:
        compared.append(left == right)
        return compared[-1]

    tagged = secret.mint("sk", "live", NEW)
    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert secret.check_tag(tagged.plaintext, [NEW, OLD]) == tagged
    assert compared == [True, False]


def test_purposes_never_share_a_hash() -> None:
    assert secret.keyed_hash(NEW, b"tag", "sk") != secret.keyed_hash(NEW, b"tags", "k")
    plaintext = secret.mint("sk", "live", NEW).plaintext
    tagged = secret.check_tag(plaintext, [NEW])
    assert tagged
    reused = secret.keyed_hash(NEW, b"tag", plaintext.reveal())[:8]
    assert tagged.lookup != int.from_bytes(reused, signed=True)


def test_old_secret_is_found_after_pepper_rotation() -> None:
    tagged = secret.mint("sk", "live", OLD)
    found = secret.check_tag(tagged.plaintext, [NEW, OLD])
    assert found == tagged
    assert found.pepper_version == 1


@given(position=st.integers(0, 31), character=st.sampled_from(secret.ALPHABET))
def test_changed_character_breaks_the_tag(position: int, character: str) -> None:
    tagged = secret.mint("sk", "live", NEW)
    body = tagged.plaintext.body
    changed = body[:position] + character + body[position + 1 :]
    found = secret.check_tag(secret.Plaintext("sk", "live", changed), [NEW])
    assert (found is not None) == (changed == body)


def test_tag_covers_environment_and_prefix() -> None:
    body = secret.mint("sk", "test", NEW).plaintext.body
    assert secret.check_tag(secret.Plaintext("sk", "live", body), [NEW]) is None
    assert secret.check_tag(secret.Plaintext("ak", "test", body), [NEW]) is None


@given(st.text(max_size=100))
def test_parse_never_raises_and_round_trips(text: str) -> None:
    plaintext = secret.parse(text)
    assert plaintext is None or plaintext.reveal() == text


@pytest.mark.parametrize("odd", ["\n", " ", "\0", "é", "\u0661", ","])
def test_odd_character_is_not_a_secret(odd: str) -> None:
    text = secret.mint("sk", "live", NEW).plaintext.reveal()
    assert secret.parse(text)
    assert secret.parse(text + odd) is None
    assert secret.parse(odd + text) is None
    assert secret.parse(text[:-1] + odd) is None


def test_prefix_can_be_branded() -> None:
    text = secret.mint("acme_sk", "live", NEW).plaintext.reveal()
    plaintext = secret.parse(text)
    assert plaintext
    assert plaintext.prefix == "acme_sk"


@pytest.mark.parametrize(
    "text", ["1", "x:AAAA", "0:AAAA", "40000:AAAA", "1:!!!", "1:QUFBQQ,1:QkJCQg"]
)
def test_malformed_peppers_are_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="KEYWAY_PEPPERS") as error:
        parse_peppers(text)
    assert "QUFBQQ" not in str(error.value)


def test_peppers_are_newest_first_and_never_shown() -> None:
    key = base64.urlsafe_b64encode(b"p" * 32).decode()
    peppers = parse_peppers(f"2:{key}, 1:{key}")
    assert [pepper.version for pepper in peppers] == [2, 1]
    assert "ppp" not in repr(peppers)
