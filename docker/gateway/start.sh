#!/bin/sh
# Write nginx's configuration from the environment, then become nginx.
#
# It runs in a container and as a process: all addresses are variables.
set -eu

here=$(dirname "$0")
certificates="${GATEWAY_CERTIFICATE_FOLDER:-/certificates}"
export GATEWAY_LISTEN="${GATEWAY_LISTEN:-8080}"
export GATEWAY_NAMES="localhost 127.0.0.1 [::1] ${GATEWAY_NAMES:-}"
export GATEWAY_RATE="${GATEWAY_RATE:-300}"
export GATEWAY_SCRATCH="${GATEWAY_SCRATCH:-/tmp/gateway}"
export MLFLOW_ADDRESS="${MLFLOW_ADDRESS:-mlflow:5000}"
export MLFLOW_HOST_HEADER="${MLFLOW_HOST_HEADER:-mlflow:5000}"
export MODEL_ADDRESS="${MODEL_ADDRESS:-model:5001}"
export GRAFANA_ADDRESS="${GRAFANA_ADDRESS:-grafana:3000}"
# Names are resolved repeatedly, because a recreated container has another address.
export GATEWAY_RESOLVER="${GATEWAY_RESOLVER:-$(sed -n 's/^nameserver //p' /etc/resolv.conf | head -n 1)}"
export GATEWAY_TLS="" GATEWAY_SECURE=""

case "$GATEWAY_RATE" in
    "" | 0* | *[!0-9]*)
        echo "error: GATEWAY_RATE in .env is $GATEWAY_RATE: give a number of requests per second" >&2
        exit 1
        ;;
esac
if [ -e "$certificates/tls.crt" ] || [ -e "$certificates/tls.key" ]; then
    for file in tls.crt tls.key; do
        if [ ! -r "$certificates/$file" ]; then
            echo "error: GATEWAY_CERTIFICATES holds no $file that user $(id -u) may read: TLS needs tls.crt and tls.key" >&2
            exit 1
        fi
    done
    GATEWAY_SECURE=ssl
    GATEWAY_TLS="ssl_certificate $certificates/tls.crt; ssl_certificate_key $certificates/tls.key;"
fi
mkdir -p "$GATEWAY_SCRATCH"
# shellcheck disable=SC2016 # names of variables for envsubst; all others are nginx's own
envsubst '$GATEWAY_LISTEN $GATEWAY_NAMES $GATEWAY_RATE $GATEWAY_SCRATCH $GATEWAY_RESOLVER $GATEWAY_TLS
    $GATEWAY_SECURE $MLFLOW_ADDRESS $MLFLOW_HOST_HEADER $MODEL_ADDRESS $GRAFANA_ADDRESS' \
    < "$here/nginx.conf.template" > "$GATEWAY_SCRATCH/nginx.conf"
exec nginx -c "$GATEWAY_SCRATCH/nginx.conf" -e stderr -g "daemon off;"
