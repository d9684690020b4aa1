#!/bin/sh
# Offers a version of a package to the host on which it runs, in an archive that calls itself Debian's security archive; the first one is installed.
# $1: the version. $2: "reboot" when the package asks for a boot. SPDX-License-Identifier: GPL-3.0-or-later
set -e
name=drill-of-patching version=$1
control="Package: $name
Version: $version
Architecture: all
Maintainer: nobody <nobody@example.com>
Description: a drill"
rm -rf /var/lib/drill/package
mkdir -p /var/lib/drill/archive /var/lib/drill/package/DEBIAN /var/lib/drill/package/usr/share/doc/$name
cd /var/lib/drill
echo "$control" > package/DEBIAN/control
printf '%s (%s) trixie-security; urgency=high\n\n  * CVE-2026-00001\n\n%s (1) trixie; urgency=low\n' $name "$version" $name |
  gzip > package/usr/share/doc/$name/changelog.gz
if [ "$2" = reboot ]; then
  printf '#!/bin/sh\ntouch /run/reboot-required\n' > package/DEBIAN/postinst
  chmod 755 package/DEBIAN/postinst
fi
file=${name}_$version.deb
dpkg-deb --build package "archive/$file" > /dev/null
if [ "$version" = 1 ]; then dpkg --force-confold -i "archive/$file" > /dev/null; fi
cd archive
printf '%s\nFilename: ./%s\nSize: %s\nSHA256: %s\n' "$control" "$file" "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d' ' -f1)" > Packages
printf 'Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\nCodename: trixie-security\nSHA256:\n %s %s Packages\n' \
  "$(sha256sum Packages | cut -d' ' -f1)" "$(stat -c %s Packages)" > Release
# Nothing else shall be updated: the drill is of the run, not of Debian.
rm -f /etc/apt/sources.list.d/* /etc/apt/sources.list
echo 'deb [trusted=yes] copy:/var/lib/drill/archive ./' > /etc/apt/sources.list.d/drill.list
