"""engage: partner engagement automation for referral programmes."""

__version__ = "0.1.0"
