"""Sentiment: how positive a review is, how many stars it gives, and which of its words say so."""
