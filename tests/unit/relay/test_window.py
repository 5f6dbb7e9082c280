"""What is under way between log and events stream: bounded, in order, nothing left out."""

from __future__ import annotations

import pytest

from gateway.relay_feed import Frame, LogBroken
from gateway.relay_window import CONFIRM_FRAMES, MESSAGE_BYTES_MAX, PUBLISH_FRAMES_MAX, Stamp, Window
from gateway.streams import ZERO, LogId
from ordergate.engine.v1 import engine_service_pb2 as pb


def at(n: int) -> LogId:
    return LogId(n, 0)


def frame(n: int, size: int = 10, time_ns: int | None = None) -> Frame:
    return Frame(at(n), at(n - 1), b"c" * size, time_ns)


def entry(n: int, size: int = 10) -> pb.EventEntry:
    return pb.EventEntry(id=pb.LogId(ms=n), engine_time_ns=n, events=1, frame=b"e" * size)


def window(frames_max: int = 100, bytes_max: int = 10_000, published: LogId = ZERO, applied: LogId = ZERO) -> Window:
    return Window(frames_max, bytes_max, published, applied, Stamp(0, lambda: 1_000))


def events_of(*numbers: int) -> pb.ApplyResponse:
    return pb.ApplyResponse(entries=[entry(n) for n in numbers])


def test_frames_go_to_the_engine_in_order_each_with_its_predecessor():
    w = window()
    w.add([frame(1), frame(2)], 0.0)
    w.add([frame(3)], 0.0)
    request = w.next_request()
    assert [(e.previous.ms, e.id.ms) for e in request.entries] == [(0, 1), (1, 2), (2, 3)]
    assert w.next_request() is None


def test_room_counts_frames_until_they_are_published():
    w = window(frames_max=3)
    w.add([frame(1), frame(2), frame(3)], 0.0)
    w.next_request()
    assert w.room() == 0
    w.receive(events_of(1, 2))
    assert w.room() == 0
    w.settle(w.next_batch())
    assert w.room() == 2


def test_bytes_with_the_engine_are_bounded_until_they_are_published():
    w = window(bytes_max=250)
    w.add([frame(n, size=100) for n in (1, 2, 3)], 0.0)
    assert [e.id.ms for e in w.next_request().entries] == [1, 2]
    assert w.next_request() is None
    w.receive(events_of(1))
    w.settle(w.next_batch())
    assert [e.id.ms for e in w.next_request().entries] == [3]


def test_a_frame_larger_than_the_window_goes_alone():
    w = window(bytes_max=50)
    w.add([frame(1, size=100), frame(2, size=100)], 0.0)
    assert [e.id.ms for e in w.next_request().entries] == [1]
    assert w.room() == 0


def test_a_message_is_cut_at_its_bound():
    w = window(bytes_max=10 * MESSAGE_BYTES_MAX)
    w.add([frame(n, size=MESSAGE_BYTES_MAX // 2) for n in range(1, 5)], 0.0)
    assert len(w.next_request().entries) == 2
    assert len(w.next_request().entries) == 2


def test_publication_is_confirmed_once():
    w = window()
    w.add([frame(1)], 0.0)
    assert not w.next_request().HasField("published")
    w.receive(events_of(1))
    w.settle(w.next_batch())
    assert w.unconfirmed == 1
    assert w.next_request(confirm_from=1) == pb.ApplyRequest(published=pb.LogId(ms=1))
    assert w.next_request(confirm_from=1) is None


def test_few_publications_wait_for_the_next_frame():
    w = window()
    w.add([frame(1)], 0.0)
    w.next_request()
    w.receive(events_of(1))
    w.settle(w.next_batch())
    assert w.next_request() is None
    w.add([frame(2)], 0.0)
    request = w.next_request()
    assert (request.published.ms, len(request.entries)) == (1, 1)


def test_many_publications_are_confirmed_without_waiting():
    w = window()
    numbers = range(1, CONFIRM_FRAMES + 1)
    w.add([frame(n) for n in numbers], 0.0)
    w.next_request()
    w.receive(events_of(*numbers))
    w.settle(w.next_batch())
    assert w.next_request().published.ms == CONFIRM_FRAMES


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((2,), "events of frame 2-0 where those of 1-0 were due"),
        ((1, 3), "events of frame 3-0 where those of 2-0 were due"),
        ((1, 1), "events of frame 1-0 where those of 2-0 were due"),
        ((1, 2, 3, 4), "events of frame 4-0 where none were due"),
    ],
)
def test_a_frame_left_out_or_out_of_turn_is_refused(given, words):
    w = window()
    w.add([frame(1), frame(2), frame(3)], 0.0)
    w.receive(events_of(*given))
    with pytest.raises(LogBroken, match=words):
        w.next_batch()


def test_frames_of_an_earlier_session_are_due_first():
    w = window(published=at(1), applied=at(3))
    w.expect([at(2), at(3)], 0.0)
    w.add([frame(4)], 0.0)
    w.receive(events_of(2, 3))
    w.receive(events_of(4))
    assert [e.id.ms for e in w.next_batch()] == [2, 3, 4]


def test_replayed_frames_leave_when_they_are_applied():
    w = window(published=at(3))
    w.add([frame(n, time_ns=n) for n in (1, 2, 3)], 0.0)
    w.next_request()
    w.receive(pb.ApplyResponse(applied=pb.LogId(ms=2)))
    assert (len(w), w.applied, w.published) == (1, at(2), at(3))


def test_events_of_a_later_frame_tell_that_the_replay_is_applied():
    w = window(published=at(2))
    w.add([frame(1, time_ns=1), frame(2, time_ns=2), frame(3)], 0.0)
    w.receive(events_of(3))
    assert w.applied == at(2)
    assert [e.id.ms for e in w.next_batch()] == [3]


def test_progress_told_of_live_frames_does_not_replace_their_events():
    w = window()
    w.add([frame(1)], 0.0)
    w.receive(pb.ApplyResponse(applied=pb.LogId(ms=1)))
    assert len(w) == 1


def test_a_batch_is_cut_at_its_bound():
    w = window(frames_max=1000)
    numbers = range(1, PUBLISH_FRAMES_MAX + 3)
    w.add([frame(n) for n in numbers], 0.0)
    w.receive(events_of(*numbers))
    first = w.next_batch()
    w.settle(first)
    assert len(first) == PUBLISH_FRAMES_MAX
    assert len(w.next_batch()) == 2


def test_the_age_is_that_of_the_oldest_frame_under_way():
    w = window()
    assert w.oldest_age_s(10.0) == 0.0
    w.add([frame(1)], 3.0)
    w.add([frame(2)], 5.0)
    assert w.oldest_age_s(10.0) == 7.0
    w.receive(events_of(1))
    w.settle(w.next_batch())
    assert w.oldest_age_s(10.0) == 5.0


def test_engine_time_is_now_but_never_before_the_last():
    clock = iter([50, 40, 60])
    stamp = Stamp(45, lambda: next(clock))
    assert [stamp.entry(frame(n)).engine_time_ns for n in (1, 2, 3)] == [50, 50, 60]


def test_engine_time_of_a_replay_is_the_recorded_one():
    stamp = Stamp(0, lambda: 7)
    assert [stamp.entry(frame(n, time_ns=n * 10)).engine_time_ns for n in (1, 2)] == [10, 20]
    assert stamp.entry(frame(3)).engine_time_ns == 20
