"""Work cut into pieces: local processes, shard i of N, finished pieces kept."""
