"""Mechanics behind the notebooks: clips in, a table of accuracies out. Importing this imports nothing heavy."""

from helpers.runtime import choose_backend

choose_backend()
