#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# First process of a cache container: Redis with the configuration that the sandbox wrote to /etc/indivillage (mode 0600, root).
set -eu
umask 077
install -d -o redis -g redis -m 0750 /run/indivillage /var/lib/redis
for file in redis.conf server.crt server.key; do
    install -o redis -g redis -m 0600 "/etc/indivillage/$file" "/run/indivillage/$file"
done
exec setpriv --reuid=redis --regid=redis --init-groups redis-server /run/indivillage/redis.conf
