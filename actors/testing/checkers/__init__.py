"""Checkers: each holds what was seen from outside against one invariant, and lists what broke."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from ..history import History
from .broken import Broken
from .casts import casts_come_in_order
from .closing import closed_for_a_reason
from .i1_one_turn import one_turn_at_a_time
from .i2_one_ending import one_ending
from .i3_stream import contiguous_streams
from .i4_durable import nothing_unsaid
from .i5_bystanders import bystanders_change_nothing
from .i6_as_asked import stopped_as_asked
from .i6_cancel import settled_cancels
from .i7_silence import silence_after_the_end
from .i8_keys import keys_bind
from .i9_drain import drains_in_order
from .i9_recovery import settled_once
from .i10_failures import failures_stay_small
from .i10_services import services_stay_over
from .i11_leases import leases_returned_once
from .i11_renewals import leases_used_in_their_time
from .i12_bounds import bounds_hold
from .i13_forks import forks_are_whole
from .i13_gone import gone_for_good
from .i14_passivation import passivation_loses_nothing
from .i15_context import contexts_in_turn_order
from .i15_items import ids_are_used_once
from .i16_damage import damage_is_set_aside
from .i17_same_trace import same_trace
from .i18_one_order import one_order
from .i18_sent_order import decided_in_order
from .i19_authorised import only_to_the_authorised
from .i19_credentials import only_the_welcome
from .i20_deadlines import stopped_when_overdue
from .i20_in_time import written_in_time
from .liveness import everything_ends
from .one_service import one_service_at_a_time
from .presence import rolls_are_true
from .projections import projections_are_folds
from .reads import reads_show_what_was
from .users import authors_are_senders, users_are_answered, users_see_one_stream
from .wire_rules import rules_hold

__all__ = ["CHECKERS", "Broken", "Checker", "same_trace"]

Checker: TypeAlias = Callable[[History], Iterator[Broken]]

# By the invariant that each is for.
CHECKERS: Final[Mapping[str, Checker]] = {
    "I1": one_turn_at_a_time,
    "I1, of services": one_service_at_a_time,
    "I2": one_ending,
    "I3": contiguous_streams,
    "I4": nothing_unsaid,
    "I5": bystanders_change_nothing,
    "I5, of presence": rolls_are_true,
    "I6": settled_cancels,
    "I6, as asked": stopped_as_asked,
    "I7": silence_after_the_end,
    "I8": keys_bind,
    "I9": settled_once,
    "I9, of draining": drains_in_order,
    "I10": failures_stay_small,
    "I10, of services": services_stay_over,
    "I11": leases_returned_once,
    "I11, of renewals": leases_used_in_their_time,
    "I12": bounds_hold,
    "I13": gone_for_good,
    "I13, of forks": forks_are_whole,
    "I14": passivation_loses_nothing,
    "I14, of casts": casts_come_in_order,
    "I15": contexts_in_turn_order,
    "I15, of items": ids_are_used_once,
    "I15, of records": projections_are_folds,
    "I15, of reads": reads_show_what_was,
    "I16": damage_is_set_aside,
    "I18": one_order,
    "I18, on a connection": decided_in_order,
    "I19": only_to_the_authorised,
    "I19, of credentials": only_the_welcome,
    "I20": everything_ends,
    "I20, in time": written_in_time,
    "I20, of deadlines": stopped_when_overdue,
    "I3, frame by frame": rules_hold,
    "I3, across connections": users_see_one_stream,
    "I8, across connections": authors_are_senders,
    "I20, across connections": users_are_answered,
    "I19, of closings": closed_for_a_reason,
}
