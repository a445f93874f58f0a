"""The HTTP entry point: one-click unsubscribe, provider's webhooks, the mailbox, health."""
