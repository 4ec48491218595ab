"""Where binaries are looked for, and which places are passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from controlplane.binaries import ALL, TRIO, Place, find, places


@pytest.fixture
def shelf(tmp_path):
    """Makes a place that holds executables of these names."""

    def make(label: str, *names: str) -> Place:
        directory = tmp_path / label
        directory.mkdir()
        for name in names:
            (directory / name).touch(mode=0o755)
        return Place(label, directory)

    return make


def origin(lookup) -> dict[str, str]:
    return {name: found.place.label for name, found in lookup.found.items()}


def test_assets_come_before_path_and_path_before_the_cache(tmp_path):
    asked = places({"KUBEBUILDER_ASSETS": "/assets", "PATH": "/usr/bin:/bin:/usr/bin:"}, [tmp_path])
    assert [str(place) for place in asked] == [
        "$KUBEBUILDER_ASSETS (/assets)",
        "PATH (/usr/bin)",
        "PATH (/bin)",
        f"cache ({tmp_path})",
    ]


def test_without_assets_path_is_first():
    assert [place.label for place in places({"PATH": "/bin"}, [])] == ["PATH"]


def test_the_first_place_that_has_everything_wins(shelf):
    lookup = find([shelf("first", *ALL), shelf("second", *ALL)])
    assert set(origin(lookup).values()) == {"first"}
    assert lookup.missing == lookup.passed_over == ()


def test_the_trio_is_never_mixed(shelf):
    lookup = find([shelf("assets", "etcd", "kube-apiserver", "kubectl"), shelf("cache", *TRIO, "kwok")])
    assert origin(lookup) == {
        "etcd": "assets",
        "kubectl": "assets",
        "kwok": "cache",
        **dict.fromkeys(TRIO, "cache"),
    }


def test_a_place_with_a_part_of_the_trio_is_passed_over_and_that_is_said(shelf):
    assets = shelf("$KUBEBUILDER_ASSETS", "etcd", "kube-apiserver", "kubectl")
    lookup = find([assets, shelf("PATH")])
    assert lookup.missing == (*TRIO, "kwok")
    assert lookup.passed_over == (
        f"$KUBEBUILDER_ASSETS ({assets.directory}) is passed over for kube-apiserver: "
        "no kube-controller-manager and kube-scheduler there, and versions must not mix",
    )


def test_a_place_after_the_one_that_is_used_is_not_worth_a_word(shelf):
    assert find([shelf("first", *ALL), shelf("second", "kube-apiserver")]).passed_over == ()


def test_only_what_is_asked_for_is_missing(shelf):
    assert find([shelf("empty")], ["etcd", "kubelet"]).missing == ("etcd", "kubelet")


@pytest.mark.parametrize("name", [".etcd.part", "etcd.part", "etcd.1234"])
def test_a_half_built_binary_is_not_found(shelf, name):
    assert find([shelf("cache", name)], ["etcd"]).missing == ("etcd",)


def test_what_is_not_executable_is_not_found(shelf):
    place = shelf("cache")
    (place.directory / "etcd").touch(mode=0o644)
    (place.directory / "kwok").mkdir()
    assert find([place], ["etcd", "kwok"]).missing == ("etcd", "kwok")


def test_a_place_that_does_not_exist_has_nothing():
    assert find([Place("PATH", Path("/does/not/exist"))]).missing == ALL
