#!/bin/sh
# Starts Valkey as the primary, or as a replica of the current primary.
#
# The Sentinels know the primary. If none answers, the whole system was down: the file of this pod's Sentinel then has
# the last primary. Without that file, this is the first start, and the first pod becomes the primary.
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

# The password is passed in a file, because process lists show arguments.
umask 077
printf 'requirepass "%s"\nprimaryauth "%s"\n' "$PASSWORD" "$PASSWORD" > "$SCRATCH/password.conf"
exec valkey-server "$SCRATCH/password.conf" \
    --port "$PORT" --dir "$DATA" --replica-announce-ip "$me" \
    --appendonly yes --appendfsync everysec --save '' \
    --maxmemory 512mb --maxmemory-policy noeviction \
    --min-replicas-to-write 1 --min-replicas-max-lag 2 \
    --protected-mode no \
    "$@"
