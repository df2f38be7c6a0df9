"""A Stripe for a laptop: PaymentIntents, SetupIntents, refunds and webhooks over HTTP, as Stripe documents them.

`onsale simulator` runs it; `docs/decisions/0010-own-stripe-simulator.md` says why it exists. No real card works here.
"""
