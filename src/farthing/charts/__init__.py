"""Numbers to SVG: drawings that know nothing of workspaces. Colours are classes of the page."""
