"""COG_METRICS_EXPORT: which names are accepted, and what is said of the others."""

import pytest

from coglet_supervisor.metric_names import MAX_NAMES, exported_name, read_names


def test_names_are_separated_by_commas_or_spaces() -> None:
    assert read_names("tokens, timing.load,,a_b  tokens") == (("tokens", "timing.load", "a_b"), [])
    assert read_names("") == ((), [])


def test_dots_become_underscores() -> None:
    assert exported_name("timing.load") == "coglet_model_timing_load"


@pytest.mark.parametrize("name", ["9a", "_a", "a_", "a__b", "a..b", ".a", "a.b.c.d.e", "ä", "a-b", "a" * 129])
def test_what_a_model_cannot_record_is_reported(name: str) -> None:
    names, (problem,) = read_names(f"{name},good")
    assert names == ("good",)
    assert problem == f"{name[:128]!r} is not the name of a metric"


@pytest.mark.parametrize("other", ["a_b", "a.b.count", "a.b_sum"])
def test_two_names_cannot_become_one(other: str) -> None:
    names, (problem,) = read_names(f"a.b,{other}")
    assert names == ("a.b",)
    assert problem == f"{other!r} and 'a.b' have the same name in Prometheus"


def test_their_number_is_limited() -> None:
    names, problems = read_names(",".join(f"m{number}" for number in range(MAX_NAMES + 2)))
    assert len(names) == MAX_NAMES
    assert problems == [f"'m{number}' is beyond the limit of 50 names" for number in (50, 51)]
