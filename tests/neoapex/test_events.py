"""What is heard on the event stream, and how it ends."""

import asyncio
import os
from typing import Any

import pytest
import redis
from django.db import connection, transaction

from neoapex import events
from studio import live, redis_server, tokens
from studio.models import Generation, User
from tests import factories
from tests.neoapex.streams import Listener, assert_refused, happens, in_thread, listening, run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hub")]


def test_what_happens_is_told_at_once_and_only_to_its_owner(song: Generation, adas: dict[str, str], ben: User) -> None:
    bens = {"Authorization": f"Bearer {tokens.create(ben, 'x')[1]}"}
    bens_song = factories.make_generation(person=ben)

    async def scenario() -> None:
        async with listening(headers=adas) as ada_hears, listening(headers=bens) as ben_hears:
            adas_id = await in_thread(happens)(song, queue_position=3)
            bens_id = await in_thread(happens)(bens_song)
            await ada_hears.until(f"id: {adas_id}\n")
            await ben_hears.until(f"id: {bens_id}\n")
            assert ada_hears.ids == [adas_id]
            assert ben_hears.ids == [bens_id]
            assert '"queue_position": 3' in ada_hears.told[0]["data"]
            assert str(song.pk) in ada_hears.told[0]["data"]

    run(scenario)


def test_what_is_rolled_back_is_never_told(song: Generation, adas: dict[str, str]) -> None:
    def fails() -> None:
        with transaction.atomic():
            happens(song)
            transaction.set_rollback(True)

    async def scenario() -> None:
        async with listening(headers=adas) as listener:
            await in_thread(fails)()
            later = await in_thread(happens)(song)
            await listener.until(f"id: {later}\n")
            assert listener.ids == [later]

    run(scenario)


def test_who_comes_back_hears_what_was_missed_once_and_in_order(song: Generation, adas: dict[str, str]) -> None:
    ids = [happens(song, queue_position=place) for place in (3, 2, 1)]

    async def scenario() -> None:
        async with listening(headers=adas | {"Last-Event-ID": str(ids[0])}) as listener:
            await listener.until(f"id: {ids[2]}\n")
            newest = await in_thread(happens)(song)
            await listener.until(f"id: {newest}\n")
            assert listener.ids == [ids[1], ids[2], newest]

    run(scenario)


def test_what_happens_while_a_stream_catches_up_is_told_once(
    song: Generation, adas: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways tell of it: the names in its data are in another order then."""
    first, missed = happens(song), live.missed
    seen: list[int] = []

    def slowly(person_id: int, last_event_id: int) -> list[str]:
        seen.append(happens(song, queue_position=1, cancel_requested=True, logs=["a"]))
        return missed(person_id, last_event_id)

    monkeypatch.setattr(live, "missed", slowly)

    async def scenario() -> None:
        async with listening(headers=adas | {"Last-Event-ID": str(first)}) as listener:
            await listener.until("cancel_requested")
            last = await in_thread(happens)(song)
            await listener.until(f"id: {last}\n")
            assert listener.ids == [seen[0], last]

    run(scenario)


@pytest.mark.parametrize("last", ["x", "-1", "1e3", "9" * 30, "\xff", "", "٣".encode().decode("latin-1"), "1; DROP"])
def test_a_rubbish_last_id_is_none_at_all(song: Generation, adas: dict[str, str], last: str) -> None:
    async def scenario() -> None:
        async with listening(headers=adas | {"Last-Event-ID": last}) as listener:
            assert listener.status == 200
            assert listener.ids == []

    run(scenario)


def test_a_last_id_of_another_person_tells_nothing_of_theirs(ben: User, adas: dict[str, str]) -> None:
    before = happens(factories.make_generation(person=ben))
    happens(factories.make_generation(person=ben))

    async def scenario() -> None:
        async with listening(headers=adas | {"Last-Event-ID": str(before - 1)}) as listener:
            assert listener.ids == []

    run(scenario)


def test_who_leaves_is_forgotten(adas: dict[str, str], hub: events.Hub, ada: User) -> None:
    async def scenario() -> None:
        async with listening(headers=adas):
            assert len(hub._listeners[ada.pk]) == 1
        assert ada.pk not in hub._listeners

    run(scenario)


def test_who_leaves_while_it_opens_is_forgotten_too(
    adas: dict[str, str], hub: events.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        waiting = asyncio.Event()

        async def listen() -> None:
            waiting.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(hub, "listen", listen)
        listener = Listener(headers=adas)
        opening = asyncio.create_task(events.stream(listener.scope, listener.receive, listener.send))
        await asyncio.wait_for(waiting.wait(), 10)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert not hub._listeners

    run(scenario)


def test_a_reader_that_falls_behind_is_cut_off_and_catches_up(
    song: Generation, adas: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "QUEUE_LENGTH", 3)

    async def scenario() -> None:
        async with listening(headers=adas) as slow:
            slow.stuck.clear()
            ids = [await in_thread(happens)(song) for _ in range(8)]
            async with listening(headers=adas) as quick:
                last = await in_thread(happens)(song)
                await quick.until(f"id: {last}\n")
            slow.stuck.set()
            await slow.until_ended()
            assert slow.text.endswith("event: bye\ndata: {}\n\n")
        heard = slow.ids
        assert len(heard) < len(ids)
        async with listening(headers=adas | {"Last-Event-ID": str(heard[-1] if heard else ids[0] - 1)}) as again:
            await again.until(f"id: {last}\n")
            assert heard + again.ids == [*ids, last]

    run(scenario)


def test_a_reader_that_takes_nothing_for_long_is_gone(
    song: Generation, adas: dict[str, str], hub: events.Hub, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SEND_SECONDS", 0.05)

    async def scenario() -> None:
        async with listening(headers=adas) as listener:
            listener.stuck.clear()
            await in_thread(happens)(song)
            async with asyncio.timeout(10):
                while ada.pk in hub._listeners:  # noqa: ASYNC110 - the hub tells nobody who leaves
                    await asyncio.sleep(0.01)

    run(scenario)


def test_a_silent_stream_shows_that_it_lives(adas: dict[str, str], ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.05)

    async def scenario() -> None:
        async with listening(headers=adas) as listener:
            await listener.until(": still here")

    run(scenario)
    assert live.watched({ada.pk, 0}) == {ada.pk}


def test_a_stream_ends_after_its_time_so_that_who_may_not_listen_is_out(
    ada: User, adas: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.05)
    monkeypatch.setattr(events, "LIFETIME_SECONDS", 0.1)

    async def scenario() -> None:
        async with listening(headers=adas) as listener:
            await in_thread(User.objects.filter(pk=ada.pk).update)(is_active=False)
            await listener.until_ended()
        async with listening(headers=adas) as again:
            assert_refused(again, 401, "unauthenticated")

    run(scenario)


def test_bye_ends_every_stream_and_opens_no_other(adas: dict[str, str]) -> None:
    async def scenario() -> None:
        async with listening(headers=adas) as first, listening(headers=adas) as second:
            await in_thread(redis_server.connection().publish)(live.bye_channel(), "bye")
            await first.until_ended()
            await second.until_ended()
            assert first.told == [{"event": "bye", "data": "{}"}]
            async with listening(headers=adas) as late:
                assert_refused(late, 503, "stopping")

    run(scenario)


def test_a_lost_subscription_ends_the_stream_and_the_next_one_catches_up(
    song: Generation, adas: dict[str, str], hub: events.Hub
) -> None:
    broker = redis.Redis.from_url(os.environ["REDIS_URL"])

    async def scenario() -> None:
        async with listening(headers=adas) as listener:
            first = await in_thread(happens)(song)
            await listener.until(f"id: {first}\n")
            await in_thread(broker.client_kill_filter)(_type="pubsub")
            await listener.until_ended()
        missed = await in_thread(happens)(song)
        async with listening(headers=adas | {"Last-Event-ID": str(first)}) as again:
            await again.until(f"id: {missed}\n")
            later = await in_thread(happens)(song)
            await again.until(f"id: {later}\n")
            assert again.ids == [missed, later]

    run(scenario)
    broker.close()


def test_nonsense_on_the_channel_ends_streams_and_not_the_feeder(
    song: Generation, adas: dict[str, str], hub: events.Hub
) -> None:
    async def scenario() -> None:
        async with listening(headers=adas) as listener:
            await in_thread(redis_server.connection().publish)(live.channel_pattern().replace("*", "nobody"), "x")
            await listener.until_ended()
        async with listening(headers=adas) as again:
            later = await in_thread(happens)(song)
            await again.until(f"id: {later}\n")

    run(scenario)


def test_without_redis_a_stream_still_opens_and_tells_what_was_missed(
    song: Generation, adas: dict[str, str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SUBSCRIBE_SECONDS", 0.1)
    first = happens(song)
    missed = happens(song)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    async def scenario() -> None:
        async with listening(headers=adas | {"Last-Event-ID": str(first)}) as listener:
            await listener.until(f"id: {missed}\n")

    run(scenario)


def test_an_open_stream_holds_no_database_connection(adas: dict[str, str], song: Generation) -> None:
    def sessions() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return int(cursor.fetchone()[0])

    async def scenario() -> None:
        before = await in_thread(sessions)()
        async with listening(headers=adas | {"Last-Event-ID": "0"}) as first, listening(headers=adas) as second:
            await first.until("job_queued")
            assert second.status == 200
            assert await in_thread(sessions)() == before

    run(scenario)
