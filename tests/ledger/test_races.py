"""Real threads on a real PostgreSQL: whoever comes at the same time, the money is counted once."""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial

import pytest
from django.db import connection, transaction

from ledger import operations, queries
from ledger.errors import HoldAlreadyResolved, InsufficientBudget, LedgerError, ReferenceConflict
from ledger.models import Budget, Entry, EntryKind
from studio.models import User
from tests.ledger.books import assert_balanced
from tests.ledger.conftest import NOVEMBER, QUOTA_MICROS

pytestmark = pytest.mark.django_db(transaction=True)

TENTH = QUOTA_MICROS // 10
SONG = 75_000
PATIENCE_SECONDS = 20
# The tests' PostgreSQL gives 300 connections, and another worker of the suite wants as many.
MAX_THREADS = 100
ROUNDS = 100

Work = Callable[[int], object]


def race(count: int, work: Work) -> list[object]:
    """What threads, connected first and then let go at once, got out of `work(0)` to `work(count - 1)`.

    Refusals are results too; anything else that goes wrong fails the test.
    """
    results: list[object] = [None] * count
    waiting = deque(range(count))
    gate = threading.Barrier(min(count, MAX_THREADS))

    def run() -> None:
        try:
            connection.ensure_connection()
            gate.wait(PATIENCE_SECONDS)
            while waiting:
                with suppress(IndexError):
                    attempt(waiting.popleft())
        finally:
            connection.close()

    def attempt(index: int) -> None:
        try:
            results[index] = work(index)
        except Exception as error:  # noqa: BLE001
            results[index] = error

    threads = [threading.Thread(target=run, daemon=True) for _ in range(gate.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5 * PATIENCE_SECONDS)
    unexpected = [result for result in results if not isinstance(result, Entry | tuple | LedgerError)]
    assert not unexpected, unexpected
    return results


def kinds(results: list[object]) -> Counter[type]:
    return Counter(type(result) for result in results)


@pytest.fixture
def ada(make_person: Callable[[str], User]) -> User:
    return make_person("ada")


@contextmanager
def without_the_check() -> Iterator[None]:
    rule = next(rule for rule in Budget._meta.constraints if rule.name == "budget_within_grant")
    with connection.schema_editor() as editor:
        editor.remove_constraint(Budget, rule)
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            editor.add_constraint(Budget, rule)


class TestHolds:
    @pytest.mark.parametrize("checked", [True, False], ids=["with the CHECK", "without the CHECK"])
    @pytest.mark.parametrize("opened", [True, False], ids=["in an open month", "in a new month"])
    def test_of_a_hundred_racing_holds_exactly_the_ten_that_fit_get_in(
        self, ada: User, *, checked: bool, opened: bool
    ) -> None:
        if opened:
            operations.hold(person=ada, amount_micros=1, reference="first", now=NOVEMBER)
            operations.release(reference="first")

        def hold(index: int) -> Entry:
            return operations.hold(person=ada, amount_micros=TENTH, reference=f"song {index}", now=NOVEMBER)

        with nullcontext() if checked else without_the_check():
            assert kinds(race(100, hold)) == {Entry: 10, InsufficientBudget: 90}
            assert Budget.objects.get().held_micros == QUOTA_MICROS
            assert Entry.objects.filter(kind=EntryKind.GRANT).count() == 1
            assert_balanced()

    @pytest.mark.slow
    @pytest.mark.parametrize("checked", [True, False], ids=["with the CHECK", "without the CHECK"])
    def test_in_a_hundred_of_a_hundred_rounds_it_is_exactly_ten(
        self, make_person: Callable[[str], User], *, checked: bool
    ) -> None:
        people = [make_person(f"person {number}") for number in range(ROUNDS)]
        gate = threading.Barrier(MAX_THREADS)

        def hold_in_every_round(thread: int) -> tuple[int, ...]:
            held = []
            for number, person in enumerate(people):
                gate.wait(PATIENCE_SECONDS)
                with suppress(InsufficientBudget):
                    reference = f"{number} {thread}"
                    operations.hold(person=person, amount_micros=TENTH, reference=reference, now=NOVEMBER)
                    held.append(number)
            return tuple(held)

        with nullcontext() if checked else without_the_check():
            admitted = Counter[int]()
            for held in race(MAX_THREADS, hold_in_every_round):
                assert isinstance(held, tuple)
                admitted.update(held)
            assert admitted == dict.fromkeys(range(ROUNDS), 10)
            assert_balanced()

    @pytest.mark.parametrize("amount", [SONG, QUOTA_MICROS], ids=["a song", "all there is"])
    @pytest.mark.parametrize("nested", [False, True], ids=["alone", "in a caller's transaction"])
    def test_twenty_holds_with_one_reference_are_one_hold(self, ada: User, amount: int, *, nested: bool) -> None:
        def hold(_: int) -> Entry:
            with transaction.atomic() if nested else nullcontext():
                return operations.hold(person=ada, amount_micros=amount, reference="song", now=NOVEMBER)

        entries = race(20, hold)
        assert {entry.pk for entry in entries if isinstance(entry, Entry)} == {queries.open_holds().get().pk}
        assert kinds(entries) == {Entry: 20}
        assert Budget.objects.get().held_micros == amount
        assert_balanced()

    def test_racing_holds_of_one_reference_with_two_amounts_end_in_one_hold(self, ada: User) -> None:
        def hold(index: int) -> Entry:
            return operations.hold(person=ada, amount_micros=SONG + index % 2, reference="song", now=NOVEMBER)

        assert kinds(race(20, hold)) == {Entry: 10, ReferenceConflict: 10}
        assert Budget.objects.get().held_micros == queries.open_holds().get().held_delta

    def test_one_reference_raced_for_by_two_people_is_held_for_one(
        self, ada: User, make_person: Callable[[str], User]
    ) -> None:
        people = (ada, make_person("bo"))

        def hold(index: int) -> Entry:
            return operations.hold(person=people[index % 2], amount_micros=SONG, reference="song", now=NOVEMBER)

        assert kinds(race(20, hold)) == {Entry: 10, ReferenceConflict: 10}
        assert sum(budget.held_micros for budget in Budget.objects.all()) == SONG
        assert_balanced()

    @pytest.mark.parametrize("rival_stays", [True, False], ids=["commits", "rolls back"])
    def test_a_hold_waits_to_hear_whether_its_rival(self, ada: User, *, rival_stays: bool) -> None:
        """The rival has the last money and the same reference, and has not said yet whether it means it."""

        def hold() -> Entry:
            return operations.hold(person=ada, amount_micros=QUOTA_MICROS, reference="song", now=NOVEMBER)

        operations.hold(person=ada, amount_micros=1, reference="first", now=NOVEMBER)
        operations.release(reference="first")
        rival, follower = follow(hold, hold, rival_stays=rival_stays)
        assert isinstance(follower, Entry)
        assert (follower == rival) is rival_stays
        assert Budget.objects.get().held_micros == QUOTA_MICROS
        assert_balanced()


def follow(
    first: Callable[[], Entry], second: Callable[[], Entry], *, rival_stays: bool = True
) -> tuple[Entry, object]:
    """What comes of `second` when it starts before the transaction of `first` ends, and has to wait for that."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(second())
        except LedgerError as error:
            results.append(error)
        finally:
            connection.close()

    follower = threading.Thread(target=run, daemon=True)
    with transaction.atomic():
        rival = first()
        follower.start()
        wait_until_somebody_waits()
        transaction.set_rollback(not rival_stays)
    follower.join(PATIENCE_SECONDS)
    return rival, results[0]


def wait_until_somebody_waits() -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    pytest.fail("Nobody waited for the row.")


class TestEndings:
    def test_of_fifty_resolvers_of_one_hold_one_decides(self, ada: User) -> None:
        operations.hold(person=ada, amount_micros=SONG, reference="song", now=NOVEMBER)

        def resolve(index: int) -> Entry:
            if index % 3 == 0:
                return operations.release(reference="song")
            return operations.charge(reference="song", amount_micros=SONG * (index % 3))

        results = race(51, resolve)
        winner = Entry.objects.get(hold__isnull=False)
        assert {result.pk for result in results if isinstance(result, Entry)} == {winner.pk}
        assert kinds(results)[Entry] == 17
        assert kinds(results)[HoldAlreadyResolved] == (34 if winner.kind == EntryKind.RELEASE else 17)
        assert (Budget.objects.get().held_micros, Budget.objects.get().spent_micros) == (0, winner.spent_delta)
        assert_balanced()

    @pytest.mark.parametrize("others_are_held", [True, False], ids=["beside other holds", "alone"])
    def test_a_resolver_waits_for_the_one_before_and_believes_it(self, ada: User, *, others_are_held: bool) -> None:
        operations.hold(person=ada, amount_micros=1, reference="other", now=NOVEMBER)
        if not others_are_held:
            operations.release(reference="other")

        def race_of_two(
            first: Callable[..., Entry], second: Callable[..., Entry], *, rival_stays: bool = True
        ) -> tuple[Entry, object]:
            reference = f"{first} {second} {rival_stays}"
            operations.hold(person=ada, amount_micros=SONG, reference=reference, now=NOVEMBER)
            return follow(
                lambda: first(reference=reference), lambda: second(reference=reference), rival_stays=rival_stays
            )

        charge, release = partial(operations.charge, amount_micros=SONG), operations.release
        first, second = race_of_two(charge, charge)
        assert first == second
        assert isinstance(race_of_two(charge, release)[1], HoldAlreadyResolved)
        assert isinstance(race_of_two(release, charge)[1], HoldAlreadyResolved)
        assert isinstance(race_of_two(release, charge, rival_stays=False)[1], Entry)
        assert queries.total_spent_micros() == 3 * SONG
        assert_balanced()

    def test_twenty_house_charges_with_one_reference_are_one(self) -> None:
        def charge(_: int) -> Entry:
            return operations.charge_house(reference="late", amount_micros=SONG, reason="late", now=NOVEMBER)

        results = race(20, charge)
        assert {entry.pk for entry in results if isinstance(entry, Entry)} == {Entry.objects.get().pk}
        assert queries.total_spent_micros() == SONG
        assert Budget.objects.count() == 1

    def test_twenty_moves_of_one_charge_are_one_pair(self, ada: User) -> None:
        operations.hold(person=ada, amount_micros=SONG, reference="song", now=NOVEMBER)
        operations.charge(reference="song", amount_micros=SONG)
        results = race(
            20, lambda _: operations.move_to_house(reference="song", amount_micros=SONG, reason="unreadable")
        )
        assert kinds(results) == {tuple: 20}
        assert Entry.objects.filter(kind=EntryKind.ADJUST).count() == 2
        assert queries.total_spent_micros() == SONG
        assert_balanced()

    @pytest.mark.parametrize("amount", [SONG, -SONG], ids=["given", "taken back"])
    def test_a_grant_that_was_made_meanwhile_is_the_same_grant(self, ada: User, amount: int) -> None:
        def grant() -> Entry:
            return operations.grant(
                person=ada, amount_micros=amount, reference="extra", reason="album", author=ada, now=NOVEMBER
            )

        operations.hold(person=ada, amount_micros=SONG, reference="song", now=NOVEMBER)
        first, second = follow(grant, grant)
        assert first == second
        assert queries.balance(ada, NOVEMBER).granted_micros == QUOTA_MICROS + amount
        assert_balanced()

    def test_one_reference_to_give_and_to_take_ends_in_one_of_them_and_no_deadlock(self, ada: User) -> None:
        def grant(index: int) -> Entry:
            return operations.grant(
                person=ada, amount_micros=5 - 10 * (index % 2), reference="gift", reason="x", author=None, now=NOVEMBER
            )

        operations.hold(person=ada, amount_micros=1, reference="first", now=NOVEMBER)
        assert kinds(race(20, grant)) == {Entry: 10, ReferenceConflict: 10}
        assert_balanced()

    def test_a_grant_is_taken_back_or_held_and_never_both(self, ada: User) -> None:
        operations.hold(person=ada, amount_micros=1, reference="first", now=NOVEMBER)
        operations.release(reference="first")

        def take(index: int) -> Entry:
            if index % 2:
                return operations.hold(person=ada, amount_micros=TENTH, reference=f"song {index}", now=NOVEMBER)
            return operations.grant(
                person=ada, amount_micros=-TENTH, reference=f"back {index}", reason="less", author=None, now=NOVEMBER
            )

        assert kinds(race(40, take))[Entry] == 10
        assert queries.balance(ada, NOVEMBER).available_micros == 0
        assert_balanced()


def test_a_crowd_that_does_everything_at_once_leaves_balanced_books(make_person: Callable[[str], User]) -> None:
    people = [make_person(name) for name in ("ada", "bo", "cleo")]

    def live(index: int) -> Entry:
        dice = random.Random(index)
        person, reference = people[index % 3], f"song {index // 2}"
        operations.hold(person=person, amount_micros=SONG, reference=reference, now=NOVEMBER)
        with transaction.atomic():
            if dice.random() < 0.3:
                operations.release(reference=reference)
                return operations.charge_house(reference=reference, amount_micros=SONG, reason="late", now=NOVEMBER)
            charged = operations.charge(reference=reference, amount_micros=SONG)
            if dice.random() < 0.5:
                operations.move_to_house(reference=reference, amount_micros=SONG, reason="unreadable")
            return charged

    race(60, live)
    assert_balanced()
    songs = Entry.objects.filter(kind=EntryKind.HOLD).count()
    released = Entry.objects.filter(kind=EntryKind.RELEASE).count()
    late = Entry.objects.filter(kind=EntryKind.CHARGE, hold__isnull=True).count()
    assert queries.total_spent_micros() == SONG * (songs - released + late)
