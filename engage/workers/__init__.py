"""The entry points that run on their own: dramatiq actors, ticker, sweeper, and the processes around them."""
