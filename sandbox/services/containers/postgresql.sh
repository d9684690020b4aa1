#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# First process of a database container: PostgreSQL on the data directory in this container, made on the first start.
# The sandbox writes the files in /etc/indivillage (mode 0600, root); they are handed to the server at each start and reload.
set -eu
umask 077
bin=/usr/lib/postgresql/17/bin
data=/rdsdbdata/db

hand_over() {
    for file in postgresql.conf pg_hba.conf server.crt server.key; do
        install -o postgres -g postgres -m 0600 "/etc/indivillage/$file" "/run/indivillage/$file"
    done
}

install -d -o postgres -g postgres -m 0750 /run/indivillage /run/postgresql /rdsdbdata
hand_over
if [ ! -s "$data/PG_VERSION" ]; then
    # Made aside and moved: a container killed half-way starts over.
    rm -rf "$data" "$data.new"
    setpriv --reuid=postgres --regid=postgres --init-groups "$bin/initdb" --pgdata="$data.new" --username=rdsadmin \
        --encoding=UTF8 --locale=C.UTF-8 --data-checksums --no-sync
    mv "$data.new" "$data"
fi
rm -f "$data/postmaster.pid"
# RDS lets its master users, who are no superusers, create this extension.
extension=/usr/share/postgresql/17/extension/pg_stat_statements.control
grep -q '^trusted' "$extension" || echo 'trusted = true' >> "$extension"

setpriv --reuid=postgres --regid=postgres --init-groups "$bin/postgres" -D "$data" -c config_file=/run/indivillage/postgresql.conf &
server=$!
# TERM would wait for the clients to leave; INT ends their sessions and shuts down cleanly.
trap 'kill -INT "$server"' TERM INT
trap 'hand_over; kill -HUP "$server"' HUP
while kill -0 "$server" 2>/dev/null; do
    wait "$server" || :
done
