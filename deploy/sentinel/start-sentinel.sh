#!/bin/sh
# A Sentinel, which keeps what it knows in its file. The first time that begins with the first pod as the primary.
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
