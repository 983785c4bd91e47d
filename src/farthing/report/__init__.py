"""One self-contained page about a run's family: what it can do, what it cost, how to check both.

facts/      gathers everything from the workspace into frozen values; no HTML
charts/     numbers to SVG; knows no workspace
sections/   facts to what each part of the page says and draws
page.py     puts the parts into the templates
run.py      checks the target and writes the file
"""
