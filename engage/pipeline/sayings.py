"""What engage itself says to partners, outside layouts and blocks: keys of `_words.<locale>.yaml` like theirs."""

THERE = "there"
"""How somebody is greeted whose name is not known."""
YOUR_REFERRAL = "Your referral"
A_LEAD = "a lead"
IN_REGION, FELLOW = "a partner in {region}", "a fellow partner"
IN_YEAR, IN_QUARTER, IN_MONTH, SO_FAR = "in {year}", "in quarter {quarter} of {year}", "in {month}", "so far"

ROLES = (
    *("Account executive", "Account manager", "Alliance manager", "Channel chief", "Channel manager", "Manager"),
    *("Partner manager", "Sales", "Sales manager", "Sales representative"),
)
"""What members of staff are often called in CRMs: any other stands in mails as it stands there."""

IN_MAILS = (THERE, YOUR_REFERRAL, A_LEAD, IN_REGION, FELLOW, IN_YEAR, IN_QUARTER, IN_MONTH, SO_FAR, *ROLES)

ON_PAGES = (
    "“{answer}”",
    "Send your answer",
    "Until now your answer was “{before}”. This one takes its place.",
    "Send this answer",
    "Nothing is sent until you press the button. To answer otherwise, close this page and choose another answer in the"
    " email.",
    "Thank you for your answer",
    "Thank you",
    "{program} has your answer: “{answer}”.",
    "It takes the place of “{before}”.",
    "Changed your mind? Choose another answer in the email: the last one counts.",
    "Unsubscribe from {topic}",
    "No more “{topic}” from {program}?",
    "Unsubscribe",
    "You will still hear about your own referrals and rewards. Nothing changes until you press the button.",
    "You are unsubscribed",
    "Done: no more “{topic}”",
    "We have stopped it as of now, including anything that was about to go out.",
    "You will still hear from {program} about your own referrals and rewards.",
)
"""What stands on the pages behind the links to answer and to unsubscribe, besides labels."""
