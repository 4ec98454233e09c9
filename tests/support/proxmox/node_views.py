"""GET below /nodes that is not of one guest."""
