"""Reasons as people read them: what docs/reasons.md says of each, in a sentence."""

from collections.abc import Mapping

from engage.domain.decisions import Reason

SAID: Mapping[str, str] = {
    "campaign_not_live": "the campaign is not live: a draft, paused, ended, or its file has a mistake",
    "outside_dates": "the campaign has not begun, or is over",
    "feed_never_connected": "the data that the campaign asks about has never come",
    "feed_stale": "the data that the campaign asks about has not come lately",
    "edition_missing": "the email of the month is not there yet",
    "topic_paused": "the topic is paused: somebody did it, or too many reported it as spam",
    "claimed": "somebody in sales works with the partner: marketing mail waits",
    "too_old": "it was old when engage learned of it, and history is not news",
    "not_active": "the partner is not active, and the campaign does not ask for such partners",
    "no_address": "there is no email address",
    "no_owner": "there is nobody of our staff to tell",
    "suppressed": "the address is suppressed: nothing is sent to it",
    "unsubscribed": "the topic was refused, by the partner or at their address",
    "paused_by_partner": "the partner takes a break from marketing mail",
    "same_address": "another partner with the same address gets it already",
    "already_enrolled": "they had it already, and may not have it again yet",
    "still_inside": "they are still inside the campaign",
    "condition_no_longer_holds": "the campaign's condition does not hold for them",
    "stopped": "what would end the campaign holds for them",
    "expired": "it could not go out while it was worth sending",
    "goal_reached": "they have done what the campaign is for",
    "opted_out_of_updates": "they want no updates of this topic",
    "not_opted_in": "the topic takes a yes, and they have not said it",
    "quiet_hours": "it is night where they are",
    "outside_send_window": "it is not the hour for it where they are",
    "holiday": "it is a holiday where they are",
    "held_out": "they are held out of this campaign, to compare with",
    "in_control_group": "they are in the control group, which gets no marketing mail",
    "frequency_cap": "other mails have taken the room that frequency caps leave",
    "folded": "caps left no room: the next newsletter tells of it",
    "resting": "they have given no sign of life for long, and are left in peace",
    "collapsed": "a later mail tells of this change too",
    "gathered": "the mail of the day tells of it",
    "undone": "the news was taken back before it went out",
    "nothing_to_correct": "they were never told what this takes back",
    "regression_ignored": "it takes good news back, and the topic does not tell of that",
    "words_used_up": "they have had every text of this step",
    "not_in_roll_out": "others are let in first",
    "promotion_over": "the promotion is over",
}


def said(reason: Reason | str | None) -> str:
    """A reason in a sentence's words; what is no reason of the list, such as a provider's error, as it is."""
    if not reason:
        return ""
    return SAID.get(str(reason), str(reason).replace("_", " ") if str(reason).isidentifier() else str(reason))


ASKED: Mapping[str, str] = {
    "promotion_stands": "Does its promotion still stand?",
    "in_roll_out": "Does the roll-out include them?",
    "may_enter_again": "May they get it again?",
    "not_still_inside": "Are they not inside it already?",
    "not_expired": "Is it still in time?",
    "news_not_history": "Is it still news?",
    "campaign_is_live": "Is the campaign live?",
    "within_dates": "Is it between the campaign’s first and last day?",
    "partner_is_active": "Is the partner active?",
    "has_recipient": "Is there an address to send it to?",
    "not_suppressed": "May this address get any mail at all?",
    "has_consent": "Have they not refused the topic?",
    "not_on_break": "Do they take no break from marketing mail?",
    "has_opted_in": "Have they said yes, where the topic asks for it?",
    "wants_updates": "Have they not switched the topic off?",
    "not_resting": "Have they given a sign of life lately?",
    "one_mail_per_address": "Does nobody else at this address get it already?",
    "still_to_be_told": "Is it this mail that tells of the update?",
    "topic_goes_out": "Is the topic not paused?",
    "feeds_are_heard": "Do we hear from the sources that its conditions rest on?",
    "condition_still_holds": "Does its condition hold?",
    "not_stopped": "Has nothing happened that stops it?",
    "left_to_sales": "Does nobody in sales work with the partner?",
    "goal_not_reached": "Is its goal still to be reached?",
    "time_has_come": "Is it the time of the day for it where they are?",
    "hours_allow": "Do quiet hours, send windows and holidays allow it?",
    "not_held_out": "Are they not held out, to compare with?",
    "has_words_left": "Is there a text that they have not had?",
    "has_room_under_caps": "Do the frequency caps leave room?",
}
"""What each guard asks (engage.policy.guards and what plans add to them)."""


def asked(guard: str) -> str:
    """What a guard asks, as a question whose yes lets the mail pass."""
    return ASKED.get(guard, guard.replace("_", " "))
