"""What each part of the page says and draws: facts in, values for its template out."""
