#!/bin/sh
# Valkey, as the primary or as a replica of the one that there is.
#
# Who that is, the Sentinels know. If none answers, all of this is down and comes up again: then the Sentinel of this pod
# has written down who was the last. If it has not either, nothing was ever here, and the first pod begins.
set -eu

me="$ME"
ask() { valkey-cli -h "$SENTINELS" -p "$SENTINEL_PORT" -t 2 --raw sentinel get-primary-addr-by-name jobs 2> /dev/null; }
remembered() { sed -n 's/^sentinel monitor jobs \([^ ]*\) \([0-9]*\) .*/\1\n\2/p' "$DATA/sentinel.conf" 2> /dev/null; }

said=$(ask || true)
[ -n "$said" ] || said=$(remembered || true)
[ -n "$said" ] || said=$(printf '%s\n%s\n' "$FIRST" "$PORT")
primary=$(echo "$said" | sed -n 1p)
port=$(echo "$said" | sed -n 2p)
[ "$primary:$port" = "$me:$PORT" ] || set -- "$@" --replicaof "$primary" "$port"

# The password goes by a file that no other process's list shows.
umask 077
printf 'requirepass "%s"\nprimaryauth "%s"\n' "$PASSWORD" "$PASSWORD" > "$SCRATCH/password.conf"
exec valkey-server "$SCRATCH/password.conf" \
    --port "$PORT" --dir "$DATA" --replica-announce-ip "$me" \
    --appendonly yes --appendfsync everysec --save '' \
    --maxmemory 512mb --maxmemory-policy noeviction \
    --min-replicas-to-write 1 --min-replicas-max-lag 2 \
    "$@"
