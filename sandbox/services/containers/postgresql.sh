#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# First process of a database container: PostgreSQL on the data directory in this container, made on the first start; a replica's is a
# copy of its source's.
# The sandbox writes the files in /etc/indivillage (mode 0600, root); they are handed to the server at each start and reload.
set -eu
umask 077
bin=/usr/lib/postgresql/17/bin
data=/rdsdbdata/db

export HOME=/rdsdbdata PGSERVICEFILE=/run/indivillage/pg_service.conf

as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups)

hand_over() {
    for file in postgresql.conf pg_hba.conf server.crt server.key pg_service.conf ca.crt; do
        install -o postgres -g postgres -m 0600 "/etc/indivillage/$file" "/run/indivillage/$file"
    done
}

install -d -o postgres -g postgres -m 0750 /run/indivillage /run/postgresql /rdsdbdata
hand_over
if [ ! -s "$data/PG_VERSION" ]; then
    # Made aside and moved: a container killed half-way starts over.
    rm -rf "$data" "$data.new"
    if [ -s "$PGSERVICEFILE" ]; then
        trap 'exit 0' TERM INT
        until "${as_postgres[@]}" "$bin/pg_basebackup" --dbname=service=source --pgdata="$data.new" --checkpoint=fast --no-sync; do
            rm -rf "$data.new"
            sleep 1
        done
        "${as_postgres[@]}" touch "$data.new/standby.signal"
    else
        "${as_postgres[@]}" "$bin/initdb" --pgdata="$data.new" --username=rdsadmin \
            --encoding=UTF8 --locale=C.UTF-8 --data-checksums --no-sync
    fi
    mv "$data.new" "$data"
fi
rm -f "$data/postmaster.pid"
# RDS lets its master users, who are no superusers, create this extension.
extension=/usr/share/postgresql/17/extension/pg_stat_statements.control
grep -q '^trusted' "$extension" || echo 'trusted = true' >> "$extension"

"${as_postgres[@]}" "$bin/postgres" -D "$data" -c config_file=/run/indivillage/postgresql.conf &
server=$!
# TERM would wait for the clients to leave; INT ends their sessions and shuts down cleanly.
trap 'kill -INT "$server"' TERM INT
trap 'hand_over; kill -HUP "$server"' HUP
# As in RDS, an idle server commits something now and then: its replicas tell their lag by the time of the last commit.
beat() {
    while sleep 2; do
        psql --host=/run/postgresql --username=rdsadmin --dbname=postgres --no-psqlrc --command='SELECT pg_current_xact_id()' || :
    done
}
beat >/dev/null 2>&1 &
while kill -0 "$server" 2>/dev/null; do
    wait "$server" || :
done
