"""What the page is about, gathered from a workspace; frozen values without any HTML."""
