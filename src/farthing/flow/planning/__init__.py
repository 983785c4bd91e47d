"""From a goal and its limits to a plan: what `stages/plan` has to know is gathered here."""
