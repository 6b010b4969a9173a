#!/bin/sh
# Makes configure and Makefile.in from configure.ac and the Local.mk files. Needed in a git checkout only.
set -e
cd "$(dirname "$0")"
exec autoreconf --install --force --warnings=all,no-obsolete
