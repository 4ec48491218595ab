"""How far a build is, and how long it will take."""

from __future__ import annotations

import pytest

from controlplane.display import duration, summary
from controlplane.recipe import TARGETS
from controlplane.work import Job, Stage, remaining

ETCD, APISERVER = TARGETS["etcd"], TARGETS["kube-apiserver"]


def compiling(target, compiled, packages):
    return Job(target, Stage.COMPILING, compiled=compiled, packages=packages)


def test_before_it_begins_the_estimate_is_that_of_a_cold_build():
    assert remaining([Job(ETCD), Job(APISERVER)], 0) == ETCD.seconds + APISERVER.seconds


def test_what_go_has_built_before_costs_nothing_but_the_linking():
    assert Job(ETCD, Stage.LINKING, packages=0).seconds == pytest.approx(8)


def test_a_slow_machine_is_believed_once_it_has_shown_its_pace():
    half = compiling(APISERVER, 808, 1616)
    done_alone = half.seconds * half.fraction
    assert remaining([half], 3 * done_alone) == pytest.approx(3 * (half.seconds - done_alone))


def test_all_done_means_nothing_is_left():
    assert remaining([Job(ETCD, Stage.DONE), Job(APISERVER, Stage.DONE)], 300) == 0


def test_the_fraction_never_goes_back():
    stages = [Job(ETCD), Job(ETCD, Stage.READING, downloaded=3)]
    stages += [compiling(ETCD, n, 500) for n in (0, 1, 250, 500, 501)]
    stages += [Job(ETCD, Stage.LINKING, compiled=500, packages=500), Job(ETCD, Stage.DONE)]
    fractions = [job.fraction for job in stages]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_the_summary_says_what_is_done_now_and_how_far_it_is():
    jobs = [Job(ETCD, Stage.DONE), compiling(APISERVER, 404, 1616), Job(TARGETS["kwok"])]
    line = summary(jobs, 100)
    assert line.startswith("1 of 3 built after 2 min; kube-apiserver: compiling: 404 of 1616 packages; ")
    assert line.endswith(" min left")


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (89, "89 s"), (90, "2 min"), (600, "10 min")])
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words
