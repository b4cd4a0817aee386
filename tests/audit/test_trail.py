import itertools
import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, models, transaction

from audit import trail
from audit.models import TrailEntry, TrailHead
from audit.trail.actions import Action
from audit.trail.actor import Actor, Target
from audit.trail.guards import GUARDS
from config.lib.errors import TrailUnavailable
from tenants.models import Organization
from tests.conftest import SYSTEM

pytestmark = pytest.mark.django_db


def fill(organization: uuid.UUID, count: int) -> None:
    with transaction.atomic():
        for number in range(count):
            target = Target("key", f"key_{number}", f"Key “{number}” ✓")
            trail.record(
                Action.KEY_ISSUED,
                organization=organization,
                by=SYSTEM,
                target=target,
                data={"n": number, "b": 1.5, "a": None},
            )


def lift_guards() -> None:
    with connection.cursor() as cursor:
        for statement in (s for guard in GUARDS for s in guard.drop(connection.vendor)):
            cursor.execute(statement)


def test_entries_form_a_gapless_chain(acme: Organization, globex: Organization) -> None:
    fill(acme.pk, 20)
    fill(globex.pk, 5)
    entries = list(TrailEntry.objects.filter(organization_id=acme.pk).order_by("sequence"))
    assert [entry.sequence for entry in entries] == list(range(1, 22))
    assert all(after.previous_hash == before.hash for before, after in itertools.pairwise(entries))
    assert list(trail.verify()) == []


def test_record_requires_a_transaction(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction.get_connection(), "in_atomic_block", False)
    with pytest.raises(RuntimeError, match="transaction"):
        trail.record(
            Action.KEY_ISSUED, organization=acme.pk, by=SYSTEM, target=Target("key", "", "")
        )


@pytest.mark.parametrize(
    "change", [lambda rows: rows.update(action="key.paused"), lambda rows: rows.delete()]
)
def test_database_refuses_to_change_an_entry(
    acme: Organization, change: Callable[[models.QuerySet[Any]], object]
) -> None:
    for rows in (TrailEntry.objects.filter(organization_id=acme.pk), TrailEntry.objects.all()):
        with pytest.raises(IntegrityError, match="trail_entry_is_never"), transaction.atomic():
            change(rows)
    assert TrailEntry.objects.filter(action=Action.ORGANIZATION_CREATED).count() == 1


def test_database_advances_the_head_by_one_only(acme: Organization) -> None:
    heads = TrailHead.objects.filter(pk=acme.pk)
    for sequence in (0, 1, 3):
        with pytest.raises(IntegrityError, match="trail_head_only_advances"), transaction.atomic():
            heads.update(sequence=sequence)
    with pytest.raises(IntegrityError, match="trail_head_is_never_deleted"), transaction.atomic():
        heads.delete()


@pytest.mark.slow
def test_verify_finds_a_thousand_random_mutations(acme: Organization, globex: Organization) -> None:
    fill(acme.pk, 30)
    fill(globex.pk, 10)
    lift_guards()
    dice = random.Random(20261121)
    for _ in range(1000):
        with transaction.atomic():
            mutation = dice.choice(MUTATIONS)
            touched = mutation(acme, dice)
            flaws = list(trail.verify([acme.pk, globex.pk]))
            assert flaws, mutation.__name__
            assert {flaw.organization for flaw in flaws} == {acme.pk}
            assert flaws[0].sequence <= min(touched) <= flaws[-1].sequence + 1, (
                mutation.__name__,
                touched,
                flaws,
            )
            transaction.set_rollback(True)
    assert list(trail.verify()) == []


def at(acme: Organization, sequence: int) -> models.QuerySet[TrailEntry]:
    return TrailEntry.objects.filter(organization_id=acme.pk, sequence=sequence)


def edit_column(acme: Organization, dice: random.Random) -> list[int]:
    column, value = dice.choice(
        [
            ("action", "key.revoked"),
            ("actor_name", "mallory"),
            ("actor_id", "x"),
            ("target_id", "key_other"),
            ("target_name", "?"),
        ]
    )
    sequence = dice.randint(1, 31)
    at(acme, sequence).update(**{column: value})
    return [sequence]


def edit_body(acme: Organization, dice: random.Random) -> list[int]:
    sequence = dice.randint(2, 31)
    body = at(acme, sequence).get().body
    position = dice.randrange(len(body))
    changed = body[:position] + chr(ord(body[position]) ^ 1) + body[position + 1 :]
    at(acme, sequence).update(body=changed)
    return [sequence]


def edit_body_and_hash(acme: Organization, dice: random.Random) -> list[int]:
    """Forge one row together with its hash, but not the hashes of the rows after it."""
    sequence = dice.randint(1, 30)
    entry = at(acme, sequence).get()
    body = entry.body.replace("tests", "mallory")
    at(acme, sequence).update(
        body=body, actor_name="mallory", hash=trail.chain_hash(entry.previous_hash, body)
    )
    return [sequence + 1]


def edit_hash(acme: Organization, dice: random.Random) -> list[int]:
    sequence = dice.randint(1, 31)
    at(acme, sequence).update(hash=dice.choice(["0" * 64, "not hexadecimal", "ab"]))
    return [sequence]


def delete_in_the_middle(acme: Organization, dice: random.Random) -> list[int]:
    sequence = dice.randint(1, 30)
    at(acme, sequence).delete()
    return [sequence]


def delete_the_tail(acme: Organization, dice: random.Random) -> list[int]:
    sequence = dice.randint(2, 31)
    TrailEntry.objects.filter(organization_id=acme.pk, sequence__gte=sequence).delete()
    return [sequence]


def swap(acme: Organization, dice: random.Random) -> list[int]:
    first, second = sorted(dice.sample(range(1, 32), 2))
    at(acme, first).update(sequence=1000)
    at(acme, second).update(sequence=first)
    at(acme, 1000).update(sequence=second)
    return [first]


def insert_at_the_end(acme: Organization, dice: random.Random) -> list[int]:
    last = at(acme, 31).get()
    last.pk, last.previous_hash, last.sequence = uuid.uuid4(), last.hash, 32
    last.hash = trail.chain_hash(last.previous_hash, last.body)
    last.save(force_insert=True)
    return [32]


def insert_in_the_middle(acme: Organization, dice: random.Random) -> list[int]:
    """Shift the later entries and insert a correctly hashed copy of an entry."""
    sequence = dice.randint(2, 30)
    for later in range(31, sequence - 1, -1):
        at(acme, later).update(sequence=later + 1)
    before = at(acme, sequence - 1).get()
    forged = TrailEntry.objects.get(pk=before.pk)
    forged.pk, forged.sequence, forged.previous_hash = uuid.uuid4(), sequence, before.hash
    forged.hash = trail.chain_hash(before.hash, forged.body)
    forged.save(force_insert=True)
    return [sequence]


MUTATIONS = [
    edit_column, edit_body, edit_body_and_hash, edit_hash, delete_in_the_middle, delete_the_tail,
    swap,
    insert_at_the_end, insert_in_the_middle,
]  # fmt: skip


def test_verify_trail_prints_flaws_and_fails(
    acme: Organization, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(acme.pk, 5)
    call_command("verify_trail")
    assert "6 entries" in capsys.readouterr().out
    lift_guards()
    at(acme, 3).update(actor_name="mallory")
    with pytest.raises(CommandError, match="1 flaw"):
        call_command("verify_trail")
    assert f"{acme.public_id} 3: its columns differ from its body" in capsys.readouterr().out


def test_failed_record_rolls_back_the_change(acme: Organization) -> None:
    with pytest.raises(TrailUnavailable), transaction.atomic():
        Organization.objects.filter(pk=acme.pk).update(name="Changed")
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_trailentry RENAME TO audit_gone")
        trail.record(
            Action.KEY_ISSUED, organization=acme.pk, by=Actor.system("x"), target=acme.as_target()
        )
    acme.refresh_from_db()
    assert acme.name == "Acme"
