"""Every bound of the runtime in one place, each with its unit and its reason (I12)."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from .core.fields import as_seconds, is_seconds, is_whole

KIB: Final = 1024
MIB: Final = 1024 * KIB


def _whole(default: int) -> int:
    value: int = field(default=default, validator=is_whole(1))
    return value


def _seconds(default: float) -> float:
    value: float = field(default=default, converter=as_seconds, validator=is_seconds())
    return value


@frozen(kw_only=True)
class Limits:
    """The figures that bound a runtime. All are at least 1 where they count, 0 where they wait.

    Raises:
        TypeError: for a figure that is no number, or no whole one where it counts.
        ValueError: for one that is out of its range.
    """

    # Commands that wait for one thread. A person sends one at a time; beyond this somebody floods.
    mailbox_commands: int = _whole(256)
    # Turns queued behind the running one, each with its message in memory.
    queued_turns: int = _whole(64)
    # Bytes of a command's JSON: 64 KiB parse in under 2 ms, 1 MiB would hold the loop for 40.
    command_bytes: int = _whole(64 * KIB)
    # Lists and objects within each other in a command: orjson reads 1024 deep and writes only 254,
    # and what a client sent has to fit, with an envelope round it, into events and snapshots.
    json_depth: int = _whole(100)
    # Casts that wait for a thread's service: 25 s of audio in pieces of 100 ms.
    inbox_casts: int = _whole(256)
    # Bytes likewise: a service that falls behind must not hold more, and one frame has to fit.
    inbox_bytes: int = _whole(4 * MIB)
    # Records of one service that are not yet durable, before the next one waits.
    service_records: int = _whole(64)
    # Bytes of the JSON that a binary frame begins with.
    cast_header_bytes: int = _whole(4 * KIB)
    # Bytes of one `write`, in UTF-8: six times that, escaped, still fits in a frame.
    piece_bytes: int = _whole(128 * KIB)
    # Bytes that a turn may have written and not yet durable, before `write` waits.
    turn_buffer_bytes: int = _whole(256 * KIB)
    # Pieces likewise: one byte each must not make the list the larger part.
    turn_buffer_pieces: int = _whole(4096)
    # Bytes of text that merge into one event, so that none outgrows a batch by much.
    merged_text_bytes: int = _whole(24 * KIB)
    # Bytes of one item's data (a tool's result, a record).
    item_bytes: int = _whole(512 * KIB)
    # Bytes that a whole turn may say: a runaway handler ends, and the disk stays.
    turn_output_bytes: int = _whole(32 * MIB)
    # Characters of a failed turn's error and of its message, which go into one event.
    failure_chars: int = _whole(1000)
    # Items of one turn: each costs more than its bytes, and a live turn holds all of them.
    turn_items: int = _whole(10_000)
    # Seconds that a handler may hold the loop by writing without waiting.
    write_burst_seconds: float = _seconds(0.001)
    # Writes likewise, so that virtual time, which stands still, yields as well.
    write_burst_pieces: int = _whole(64)

    # Bytes of newest events kept in memory per thread that is being watched or running.
    tail_bytes: int = _whole(128 * KIB)
    # Bytes of those before them, their text merged: a turn of 8,000 tokens is caught up with from
    # memory, in a tenth of the bytes.
    tail_merged_bytes: int = _whole(256 * KIB)
    # Bytes of events in one batch to a subscriber: a viewer that does not read holds one.
    batch_bytes: int = _whole(16 * KIB)
    # Subscriptions of one thread.
    subscribers: int = _whole(10_000)
    # Principals that presence names, the longest attached ones; it counts the others.
    presence_principals: int = _whole(100)
    # Seconds that a broken connection is still present, so that coming back shows no flicker: a
    # client's first tries to reconnect fall well within it.
    presence_seconds: float = _seconds(10)
    # Changes of a thread's presence that are told one by one, each to every reader, in a window of
    # so many seconds; what follows is told at its end, together. People come and go more slowly
    # than that; a page that reconnects in a loop does not, nor an audience that comes at once.
    presence_changes: int = _whole(10)
    presence_window_seconds: float = _seconds(1)
    # Items in a snapshot where the client names no window, and at most.
    window_items: int = _whole(50)
    window_items_max: int = _whole(500)
    # Items and threads in one page of `history` and `threads`.
    page_items: int = _whole(50)
    page_items_max: int = _whole(500)
    # Bytes of items in one page or snapshot: with its envelope it still fits in a frame. An item
    # that is larger comes alone, and whole.
    page_bytes: int = _whole(512 * KIB)
    # Items of history given to a handler as context, and bytes that they take in memory, about.
    context_items: int = _whole(10_000)
    context_bytes: int = _whole(16 * MIB)
    # Bytes likewise of the contexts that are kept for next turns, of all live threads together:
    # 30,000 short messages. Reading one anew takes 10 to 20 µs for each item.
    kept_context_bytes: int = _whole(32 * MIB)
    # Items of the least that is kept of a thread: one that was asked something once or twice, and
    # then left, weighs no more than its idle actor, and its history is read in no time.
    kept_context_items: int = _whole(4)

    # Records after which the fold of all of them is kept anew: so many are folded on activation.
    fold_records: int = _whole(256)
    # Bytes of a fold that is kept: it is written once for so many records.
    fold_bytes: int = _whole(4 * MIB)
    # Bytes of one public projection in a snapshot, which with its items fits in a frame.
    attribute_bytes: int = _whole(128 * KIB)

    # Items that a fork copies: its source takes no commands meanwhile, a second for each 5,000.
    fork_items: int = _whole(50_000)
    # Events that it writes at a time: 50 ms, and then the appends of other threads have their turn.
    fork_portion_events: int = _whole(256)
    # Bytes likewise, which memory holds.
    fork_portion_bytes: int = _whole(MIB)

    # Receipts kept in memory per live thread; older ones are looked up in the journal.
    receipts_in_memory: int = _whole(128)
    # Bytes of what tells newer keys from older ones, of a live thread that has more: of 10,000 keys
    # one in twenty is looked up after all. A thread that had more when it was activated has none.
    key_filter_bytes: int = _whole(8 * KIB)
    # Seconds that an idempotency key is kept at the least.
    key_seconds: float = _seconds(24 * 3600)

    # Appends that share one commit.
    commit_appends: int = _whole(512)
    # Appends in a commit that show the journal under load: the next commit waits then.
    commit_load_appends: int = _whole(8)
    # Seconds that it waits at the most, and never for longer than the last one took.
    commit_rest_seconds: float = _seconds(0.001)
    # Threads that are shown what became durable before others get their turn of the loop.
    commit_burst_threads: int = _whole(32)
    # Seconds after a turn's end before its deltas may merge on disk.
    compact_after_seconds: float = _seconds(15 * 60)
    # Seconds between two looks for turns to compact.
    compact_every_seconds: float = _seconds(60)
    # Bytes written ahead before they move into the file: more would make start-up read them all.
    checkpoint_bytes: int = _whole(16 * MIB)
    # Threads that are read again on opening after an I/O error; the newest are the likeliest hit.
    recheck_threads: int = _whole(256)
    # Turns compacted between two looks at the queue, so that appends never wait long.
    compact_turns: int = _whole(32)
    # Bytes of a recording, both of its files: some hours of a busy server, at 400 bytes a command.
    record_bytes: int = _whole(256 * MIB)
    # Bytes of it that wait to be written: only a disk that is stuck is slower than that.
    record_buffer_bytes: int = _whole(4 * MIB)
    # Bytes of events of one thread that is imported: it comes in one append, so memory holds it.
    import_bytes: int = _whole(512 * MIB)

    # Seconds that a handler has to stop in, after which it is abandoned.
    cancel_grace_seconds: float = _seconds(5)
    # Seconds to wait for a lease, after which a service does without; a machine may have to boot.
    lease_allocate_seconds: float = _seconds(30)
    # Seconds to wait for a lease to be taken back. A service has as much more to stop in.
    lease_release_seconds: float = _seconds(5)
    # Leases of one service at a time.
    service_leases: int = _whole(16)
    # Seconds that running turns may go on at shutdown.
    drain_seconds: float = _seconds(5)
    # Seconds without a command after which an idle actor passivates.
    idle_seconds: float = _seconds(30)
    # Times that a turn may be started, where its handler opted in to being run again.
    turn_attempts: int = _whole(3)
    # Restarts of one actor within the period, before its thread is quarantined (OTP's words).
    restart_intensity: int = _whole(3)
    restart_period_seconds: float = _seconds(60)
    # Threads with unsettled turns that start-up settles at a time.
    recovery_concurrency: int = _whole(64)
    # Seconds between two tries to reopen a journal that failed.
    journal_reopen_seconds: float = _seconds(1)
    # Seconds that the event loop may be held before the watchdog logs its stack.
    watchdog_seconds: float = _seconds(0.5)

    # Bytes of a WebSocket message: frames above it close with 1009.
    frame_bytes: int = _whole(MIB)
    # Bytes of a message that a client takes: snapshots and pages of a server set more generously.
    client_frame_bytes: int = _whole(64 * MIB)
    # Frames that one message may come in; empty ones would cost memory and never reach a size.
    message_fragments: int = _whole(4096)
    # Pings and pongs that are read of one connection in a second; above, reading waits.
    control_frames_per_second: int = _whole(64)
    # Connections to one server; the next is answered 503.
    connections: int = _whole(10_000)
    # Connections above that which are answered at a time; further ones are closed without a word.
    refusals: int = _whole(64)
    # Seconds between two tries to accept while the process is out of descriptors or memory.
    accept_pause_seconds: float = _seconds(0.1)
    # Threads that one connection may be attached to; the next attach closes it with 4504.
    attachments: int = _whole(1000)
    # Commands of one connection that are unanswered; reading stops until one is answered.
    unanswered_commands: int = _whole(256)
    # Bytes of replies waiting for a connection; reading stops until they went out.
    reply_bytes: int = _whole(MIB)
    # Bad messages in a row; the next one closes with 4502.
    bad_messages: int = _whole(20)
    # Seconds for a client to finish its handshake, and then to say `hello` where it has to.
    handshake_seconds: float = _seconds(5)
    # Seconds that a connection may take nothing before it is cut.
    slow_seconds: float = _seconds(30)
    # Bytes of casts that wait to be sent by a client; above, the next one is dropped.
    client_cast_bytes: int = _whole(4 * MIB)
    # Seconds between the server's pings, and for the answer.
    heartbeat_seconds: float = _seconds(20)
    # Seconds between two errors for casts that nobody takes: casts are never answered.
    cast_error_seconds: float = _seconds(1)
    # Seconds to wait for a peer's close frame: trio-websocket would wait for ever.
    close_seconds: float = _seconds(1)
    # Seconds that a client waits before it reconnects: at first, and at most. Between them each
    # failure doubles, and the wait itself is drawn from nought to that figure.
    reconnect_first_seconds: float = _seconds(0.1)
    reconnect_most_seconds: float = _seconds(20)
    # Seconds of health after which the next failure is a first one again.
    reconnect_health_seconds: float = _seconds(60)
    # Seconds that an event stream tells its browser to wait before it reconnects; each is told a
    # figure drawn from half of this to the whole, since browsers draw none themselves.
    event_retry_seconds: float = _seconds(1)
    # Seconds that a server's `goaway` may keep a client away at the most.
    goaway_most_seconds: float = _seconds(3600)
    # Characters of one thread's stream that a client keeps for a reader that lags. Above, it leaves
    # the thread until the reader has taken them, so that the connection's other threads go on.
    client_buffer_chars: int = _whole(MIB)
    # Bytes of an HTTP request's head and body.
    http_head_bytes: int = _whole(16 * KIB)
    http_body_bytes: int = _whole(64 * KIB)


DEFAULT_LIMITS: Final = Limits()
