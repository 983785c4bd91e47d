"""Which language a text is in: own n-gram weights, and what the script alone decides."""
