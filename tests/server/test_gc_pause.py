"""The collector rests while modules load, and only then."""

import gc

import pytest

from chat2response.server.gc_pause import loading


def test_what_was_loaded_is_not_looked_at_again():
    before = gc.get_freeze_count()
    try:
        with loading():
            assert not gc.isenabled()
            made: list[list[int]] = [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(made)
    finally:
        gc.unfreeze()


def test_it_goes_on_after_a_module_that_cannot_be_loaded():
    with pytest.raises(ImportError), loading():
        raise ImportError
    gc.unfreeze()
    assert gc.isenabled()
