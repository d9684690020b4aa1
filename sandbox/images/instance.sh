# Run inside the new root of an instance image, after its files were copied in.
chown -R root:root /etc/systemd/system /etc/sudoers.d /usr/local/sbin
chmod -R go-w /etc/systemd/system /usr/local/sbin
chmod 0440 /etc/sudoers.d/*

useradd --create-home --uid 1000 --shell /bin/bash admin
systemctl enable instance-init.service instance-user-data.service ssh.service
# Package timers would start apt at random moments, under the hands of whoever configures the host.
systemctl disable apt-daily.timer apt-daily-upgrade.timer

# What must differ between two machines of one image.
rm -f /etc/ssh/ssh_host_* /etc/hostname /etc/resolv.conf
: >/etc/machine-id
