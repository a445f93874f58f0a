"""Rules that hold for every campaign: who may be mailed when, how much, in which language, and who wins."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import holidays

from tests.audit.case import Case
from tests.audit.contests import Room, competed, contest, windows_end
from tests.audit.log import Mail
from tests.audit.words import WEEKDAYS, duration, share_of, time_of

COUNTRIES = {
    "America/New_York": "US",
    "Pacific/Auckland": "NZ",
    "Europe/London": "GB",
    "Australia/Lord_Howe": "AU",
    "Asia/Kathmandu": "NP",
    "America/Los_Angeles": "US",
    "Europe/Berlin": "DE",
    "Asia/Tokyo": "JP",
}


class Limits(Case):
    __slots__ = ()

    def once(self) -> Iterator[str]:
        """One occasion, one delivery."""
        seen = Counter((m.campaign, m.step, m.recipient, m.occasion) for m in self.log.mails)
        yield from (f"{key} went out {count} times" for key, count in seen.items() if count > 1)

    def whose(self) -> Iterator[str]:
        """Each mail of a program is to one of its partners; a company's is to its contact."""
        for mail in self.log.mails:
            if mail.partner and mail.partner not in self.world.zones:
                yield f"{mail}, who is not in the program"
            elif mail.campaign == "company-letter" and self.world.companies[mail.partner] != mail.partner:
                yield f"{mail}, who is not the contact of {self.world.companies[mail.partner]}"

    def caps(self) -> Iterator[str]:
        """At most so many mails in any stretch of so long."""
        room = Room(self.key, self.program, self.world)
        held = {id(mail) for mail in self.marketing()}
        for mail in sorted((mail for mail in self.log.mails if self.counts(mail)), key=lambda mail: mail.at):
            topic = self.topic_key(mail.campaign)
            if id(mail) in held and (full := room.full(mail.partner, topic, mail.at)):
                yield f"{mail}: no room ({'; '.join(full)})"
            room.take(mail.partner, topic, mail.at)

    def quiet_hours(self) -> Iterator[str]:
        begins, ends = time_of(self.program["quiet_hours"]["from"]), time_of(self.program["quiet_hours"]["to"])
        for mail in self.marketing():
            clock = self.local(mail).time()
            if clock >= begins or clock < ends:  # they run over midnight
                yield f"{mail}, when it is {clock} there"

    def send_windows(self) -> Iterator[str]:
        for mail in self.marketing():
            window = self.topic(mail.campaign).get("send_window")
            if window is None:
                continue
            local = self.local(mail)
            days = WEEKDAYS if window["days"] == "weekdays" else frozenset(range(7))
            if local.weekday() not in days or not time_of(window["from"]) <= local.time() < time_of(window["to"]):
                yield f"{mail}, when it is {local:%A %H:%M} there"

    def public_holidays(self) -> Iterator[str]:
        if not self.program["holidays"]:
            return
        for mail in self.marketing():
            if self._is_holiday(self.world.zones[mail.partner], self.local(mail).date()):
                yield f"{mail}, which is a holiday there"

    def _is_holiday(self, zone: str, day: date) -> bool:
        country = COUNTRIES[zone]
        if country not in self._holidays:
            self._holidays[country] = holidays.country_holidays(country)
        return day in self._holidays[country]

    def refused_topics(self) -> Iterator[str]:
        for refusal in self.world.refusals:
            for mail in self.marketing():
                mine = mail.partner == refusal.partner and self.topic_key(mail.campaign) == refusal.topic
                if mine and mail.at >= refusal.at:
                    yield f"{mail}, refused on {refusal.at:%Y-%m-%d}"

    def opt_in(self) -> Iterator[str]:
        for mail in self.marketing():
            if self.topic(mail.campaign).get("opt_in") and mail.partner not in self.world.opted_in:
                yield f"{mail}, who never said yes"

    def rhythms(self) -> Iterator[str]:
        """Daily: one mail at the hour of the topic, there, and none at once. Off: none."""
        days: Counter[tuple[str, date]] = Counter()
        for mail in self.log.mails:
            topic = self.topic(mail.campaign)
            if not mail.to_partner or "gather" not in topic:
                continue
            rhythm, digest = self.world.rhythms.get(mail.partner, "instant"), mail.campaign not in self.campaigns
            if digest != (rhythm == "daily") or rhythm == "off":
                yield f"{mail}, whose rhythm is {rhythm}"
            if digest:
                local = self.local(mail)
                days[mail.partner, local.date()] += 1
                if local.time() != time_of(topic["gather"]["at"]):
                    yield f"{mail}, when it is {local:%H:%M} there"
        yield from (f"{key} got {count} daily mails" for key, count in days.items() if count > 1)

    def storms(self) -> Iterator[str]:
        """Who hears at once hears of each change that lasted, once; a storm is one mail about its last."""
        collapse = duration(self.program["topics"]["referral-status"]["collapse"])
        told = Counter((m.campaign, m.partner) for m in self.log.mails if m.to_partner)
        expected: Counter[tuple[str, str]] = Counter()
        rank = {rung["status"]: number for number, rung in enumerate(self.program["ladder"])}
        of: dict[str, list[Any]] = defaultdict(list)
        for change in self.world.changes:
            of[change.referral].append(change)
        for changes in of.values():
            for change in _told(changes, collapse, rank):
                if self.world.rhythms.get(change.partner, "instant") == "instant":
                    expected[change.status, change.partner] += 1
        for status in ("opportunity", "won", "lost"):
            for partner in self.world.partners:
                if told[status, partner] != expected[status, partner]:
                    yield f"{partner} heard {told[status, partner]} times of {status}, not {expected[status, partner]}"

    def held_out(self) -> Iterator[str]:
        for name, rules in self.campaigns.items():
            share = share_of(rules.get("holdout", "0%"))
            for mail in self.log.of(name) if share else ():
                if mail.partner and self.chance(name, "holdout", mail.partner) < share:
                    yield f"{mail}, who is held out"

    def control_group(self) -> Iterator[str]:
        share = share_of(self.program["control_group"])
        for mail in self.marketing():
            if self.chance("control", mail.partner) < share:
                yield f"{mail}, who is in the control group"

    def arbitration(self) -> Iterator[str]:
        """Each window is decided as `order` says: who has room in their rank wins, who has none loses."""
        length = duration(self.program["dispatch_window"])
        room = Room(self.key, self.program, self.world)
        contests = competed(self.marketing(), self.log.not_sent, self.world, self.topic_key)
        held = {id(mail) for mail in self.marketing()}
        besides = [mail for mail in self.log.mails if self.counts(mail) and id(mail) not in held]
        instants: dict[datetime, list[Mail]] = defaultdict(list)
        for mail in besides:
            instants[mail.at].append(mail)
        for at in sorted(contests.keys() | instants.keys()):
            for mail in instants[at]:
                room.take(mail.partner, self.topic_key(mail.campaign), at)
            if at in contests and not windows_end(at, length):
                yield f"{contests[at][0].said}, when no dispatch window ends"
            yield from contest(room, self.program["order"], contests.get(at, []), at)

    def outranked(self) -> Iterator[str]:
        """What becomes of a loser is what its campaign says; nobody who is held out is told of it in a newsletter."""
        control = share_of(self.program["control_group"])
        for line in self.log.not_sent:
            policy = self.campaigns.get(line.campaign, {}).get("if_outranked", "drop")
            became = (line.decision, line.reason)
            if policy == "fold" and self.chance("control", line.whom) < control:
                policy = "drop"
            if line.reason == "folded" and policy != "fold":
                yield f"{line}, which is to {policy}"
            if became == ("defer", "frequency_cap") and policy != "defer":
                yield f"{line}, which is to {policy}"
            if became == ("skip", "frequency_cap") and policy == "fold":
                yield f"{line}, which is to fold"

    def folded(self) -> Iterator[str]:
        """What was folded is told of in the next newsletter, once, unless its topic was refused meanwhile."""
        waiting = {(line.whom, line.at) for line in self.log.not_sent if line.reason == "folded"}
        last: dict[str, datetime] = defaultdict(lambda: datetime.min.replace(tzinfo=UTC))
        refused = {one.partner: one.at for one in self.world.refusals if one.topic == "tips"}
        for mail in sorted(self.log.of("monthly"), key=lambda mail: mail.at):
            due = [at for who, at in waiting if who == mail.partner and last[who] < at <= mail.at]
            text = mail.text()
            tells = any(subject in text for subject in ("Tip a", "Tip b", "Rat a"))
            heard = mail.partner in refused and refused[mail.partner] <= mail.at
            if tells != (bool(due) and not heard):
                yield f"{mail}: {'tells' if tells else 'does not tell'} of tips, {len(due)} were folded since the last"
            last[mail.partner] = mail.at

    def locales(self) -> Iterator[str]:
        """Who reads German gets what is written in German; everybody else the program's language."""
        for mail in self.log.mails:
            reads = self.world.locales[mail.partner][:2] if mail.to_partner else ""
            if mail.subject in self.german and reads == "de":
                yield f"{mail}: '{mail.subject}', which is written in German too"
            german = mail.subject in self.german.values()
            if german and reads != "de":
                yield f"{mail}: '{mail.subject}', who does not read German"
            if mail.locale != ("de" if german else self.program["locale"]):
                yield f"{mail}: '{mail.subject}' is recorded as {mail.locale}"

    def link_tags(self) -> Iterator[str]:
        """Links to our own pages say where they were clicked. Looked at in each fiftieth mail to a partner."""
        tags = self.program["link_tags"]
        for mail in [mail for mail in self.log.mails if mail.to_partner][::50]:
            wanted = {f"utm_source={tags['utm_source']}", f"utm_campaign={mail.campaign}"}
            ours = [link for link in mail.links() if link.startswith(f"https://{tags['hosts'][0]}")]
            if mail.step != "daily" and "ask" not in mail.step and not ours:
                yield f"{mail}: has no link"
            yield from (f"{mail}: {link}" for link in ours if not wanted <= set(link.partition("?")[2].split("&")))

    def shared_addresses(self) -> Iterator[str]:
        """Two partners with one address get one mail of a kind on one slot."""
        got: Counter[tuple[str, str, str]] = Counter()
        for mail in self.marketing():
            if self.campaigns.get(mail.campaign, {}).get("again") == "each slot":
                got[mail.campaign, self.world.emails[mail.partner], mail.occasion] += 1
        yield from (f"{key} came {count} times" for key, count in got.items() if count > 1)

    def sunset(self) -> Iterator[str]:
        """Who gave no sign of life gets little, then nothing: here referrals are the only signs."""
        rules = self.program["sunset"]
        light_after, light, rest = (duration(rules[key]) for key in ("light_after", "light", "rest_after"))
        of: dict[str, list[Mail]] = defaultdict(list)
        for mail in self.marketing():
            of[mail.partner].append(mail)
        for partner, mails in of.items():
            for number, mail in enumerate(mails):
                last = max((at for at in self.world.submitted.get(partner, ()) if at <= mail.at), default=None)
                if last is None:
                    continue
                if mail.at - last >= rest:
                    yield f"{mail}, {mail.at - last} after their last sign of life"
                elif mail.at - last >= light_after:
                    before = [m for m in mails[:number] if m.at > mail.at - light]
                    if before:
                        yield f"{mail}, within {rules['light']} of {before[-1]}"


def _told(changes: list[Any], collapse: timedelta, rank: dict[str, int]) -> Iterator[Any]:
    """The changes of one referral of which an instant reader hears."""
    told: list[Any] = []
    storm: list[Any] = []
    for change in [*(c for c in changes if c.status in ("opportunity", "won", "lost")), None]:
        if storm and (change is None or change.at >= storm[0].at + collapse):
            before = told[-1] if told else None
            last = storm[-1]
            undone = len(storm) > 1 and rank[last.status] < max(rank[one.status] for one in storm)
            taken_back = before is not None and rank[last.status] < rank[before.status]
            if not undone or taken_back:
                told.append(last)
            storm = []
        if change is not None:
            storm.append(change)
    yield from told
