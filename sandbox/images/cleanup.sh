# Run last, inside the new root of every image.
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/*.log /var/log/apt/*
# The first packages were unpacked before dpkg knew what to leave out.
rm -rf /usr/share/man/* /usr/share/locale/*/LC_MESSAGES
find /usr/share/doc -type f ! -name copyright -delete
# Removing the lists made their directory look fresh; `apt: cache_valid_time` would believe it and find no packages.
[ ! -d /var/lib/apt/lists ] || touch -d @0 /var/lib/apt/lists
