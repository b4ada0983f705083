#!/bin/sh
# Check that the gateway itself answers, whatever is behind it.
set -eu

scheme=http
[ -e /certificates/tls.crt ] && scheme=https
exec curl --silent --show-error --fail --insecure --max-time 4 "$scheme://127.0.0.1:8080/gateway-health"
