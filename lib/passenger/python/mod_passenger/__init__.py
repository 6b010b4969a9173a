"""Serves Python applications: an instance that takes requests from the application's queue.

The names that applications may use are in the package `passenger` (../public).
"""
