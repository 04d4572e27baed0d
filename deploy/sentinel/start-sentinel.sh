#!/bin/sh
# Starts a Sentinel, which stores its state in its configuration file. At the first start, the first pod is the primary.
set -eu

file="$DATA/sentinel.conf"
umask 077
if ! grep -qs '^sentinel monitor jobs ' "$file"; then
    {
        echo 'sentinel resolve-hostnames yes'
        echo 'sentinel announce-hostnames yes'
        echo "sentinel announce-ip $ME"
        echo "sentinel monitor jobs $FIRST $PORT 2"
        echo 'sentinel down-after-milliseconds jobs 5000'
        echo 'sentinel failover-timeout jobs 30000'
        echo "sentinel auth-pass jobs $PASSWORD"
    } > "$file"
fi
exec valkey-server "$file" --sentinel --port "$SENTINEL_PORT" --dir "$DATA" "$@"
