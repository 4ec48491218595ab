"""Directories that vanish, and ports that stay free."""

from __future__ import annotations

import os
import socket

from controlplane.ports import free_ports
from controlplane.workdir import WorkDir

LONG_AGO = (0, 0)


def test_what_a_killed_control_plane_left_is_swept_and_what_a_running_one_uses_is_not(tmp_path):
    running, killed = WorkDir(tmp_path), WorkDir(tmp_path)
    os.close(killed._lock)
    os.utime(running.path, LONG_AGO)
    os.utime(killed.path, LONG_AGO)
    fresh = WorkDir(tmp_path)
    assert set(tmp_path.iterdir()) == {running.path, fresh.path}


def test_one_that_was_just_made_is_not_swept_before_it_is_locked(tmp_path):
    young = tmp_path / "hostport-controlplane-young"
    young.mkdir()
    WorkDir(tmp_path).remove()
    assert list(tmp_path.iterdir()) == [young]


def test_free_ports_differ_and_are_free():
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
