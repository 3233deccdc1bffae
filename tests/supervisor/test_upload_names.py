"""decisions.md: output files have unique names without folders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coglet_supervisor.predictions.output_names import UniqueNames
from coglet_supervisor.predictions.uploads import place_of


@pytest.mark.parametrize(
    ("wanted", "given_names"),
    [
        (["a.png", "b.png"], ["a.png", "b.png"]),
        (["a.png", "a.png", "a.png"], ["a.png", "a-1.png", "a-2.png"]),
        (["a.png", "a-1.png", "a.png"], ["a.png", "a-1.png", "a-2.png"]),
        (["a", "a"], ["a", "a-1"]),
        ([".env", ".env"], [".env", ".env-1"]),
        (["a.png", "A.png"], ["a.png", "A.png"]),
        (["/etc/passwd", "../passwd"], ["passwd", "passwd-1"]),
        (["", "..", "x/"], ["output.bin", "output-1.bin", "output-2.bin"]),
    ],
)
def test_names(wanted: list[str], given_names: list[str]) -> None:
    names = UniqueNames()
    assert [names.take(name) for name in wanted] == given_names


@given(st.lists(st.sampled_from(["a.png", "a-1.png", "a-2.png", "a-1-1.png", "a"]), max_size=40))
def test_no_name_is_given_twice(wanted: list[str]) -> None:
    names = UniqueNames()
    taken = [names.take(name) for name in wanted]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize(
    ("base_url", "name", "url"),
    [
        ("http://host", "a.png", "http://host/a.png"),
        ("http://host/", "a.png", "http://host/a.png"),
        ("http://host/b", "a.png", "http://host/b/a.png"),
        ("http://host/b/", "a.png", "http://host/b/a.png"),
        ("http://host/b?sig=1&x=2", "a.png", "http://host/b/a.png?sig=1&x=2"),
        ("http://host/b#part", "a.png", "http://host/b/a.png"),
        ("http://host/b", "a b?c#d%.png", "http://host/b/a%20b%3Fc%23d%25.png"),
        ("http://host/b", "ä\n.png", "http://host/b/%C3%A4%0A.png"),
    ],
)
def test_the_upload_url_of_a_file(base_url: str, name: str, url: str) -> None:
    assert place_of(base_url, name) == url
