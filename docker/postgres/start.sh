#!/bin/sh
# Refuse a weak password before a database exists, then run the entry script of the base image.
set -eu

different=$(printf %s "${POSTGRES_PASSWORD:-}" | fold -w 1 | sort -u | wc -l)
if [ "${#POSTGRES_PASSWORD}" -lt 12 ] || [ "$different" -lt 6 ]; then
    echo "error: POSTGRES_PASSWORD in .env is weak: give 12 characters or more, 6 of them different" >&2
    exit 1
fi
exec docker-entrypoint.sh "$@"
