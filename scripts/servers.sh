#!/bin/sh
# Install what tests of replicas run against, from Debian's packages where absent: PostgreSQL, PgBouncer, Redis, Caddy.
set -eu
absent=
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || absent="postgresql"
command -v pgbouncer >/dev/null || absent="$absent pgbouncer"
command -v redis-server >/dev/null || absent="$absent redis-server"
command -v caddy >/dev/null || absent="$absent caddy"
[ -n "$absent" ] || exit 0
as_root=
[ "$(id -u)" = 0 ] || as_root="sudo -n"
if ! command -v apt-get >/dev/null || ! ${as_root:-env} true 2>/dev/null; then
    echo "Not installed, and this user may not install: $absent. Their tests are left out." >&2
    exit 0
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $absent >/dev/null
