"""Personal data and keys in texts: found by byte, judged by pattern and checksum, masked."""
