#!/bin/sh
# What a Mac opens with a double click.
exec sh "$(dirname -- "$0")/start.sh" "$@"
