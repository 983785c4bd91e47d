"""Imported once, by the process that commands are forked off: `forked` says why."""

from forked import import_everything

import_everything()
