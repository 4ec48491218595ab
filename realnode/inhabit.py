"""The first process of the node's machine: makes its mounts, says that it is ready, and reaps until it is killed.

Standard library only, and run by path. Argument: a file to create when it is ready.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

# A tmpfs can always carry an overlay's upper layer; the machine's own disk, itself an overlay in a container, can't.
_SCRIPT = """
mount -t tmpfs -o mode=0755 hostport /run
mkdir -p /run/var/upper /run/var/work /run/lock
mount -t overlay -o lowerdir=/var,upperdir=/run/var/upper,workdir=/run/var/work hostport /var
mkdir -p /run/etc/upper /run/etc/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work hostport /etc
mkdir -p /var/lib/containerd /etc/cni/net.d
mount -t tmpfs -o mode=0755 hostport /etc/cni/net.d
mount -t tmpfs -o mode=0755,size=75% hostport /var/lib/containerd
ip link set lo up
for family in ipv4 ipv6; do
    [ ! -e /proc/sys/net/$family ] || echo 1 > /proc/sys/net/$family/conf/all/forwarding
done
"""


def main() -> None:
    """Never returns."""
    subprocess.run(["sh", "-ec", _SCRIPT], check=True)
    # Orphans of the whole machine become ours; with their signal ignored the kernel reaps them by itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    Path(sys.argv[1]).touch()
    os.closerange(0, 3)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
