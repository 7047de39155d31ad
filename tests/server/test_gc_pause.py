"""The garbage collector pauses while modules load, and only then."""

import gc

import pytest

from chat2response.server.gc_pause import gc_pause


def test_what_was_loaded_is_not_looked_at_again():
    before = gc.get_freeze_count()
    try:
        with gc_pause():
            assert not gc.isenabled()
            objects: list[list[int]] = [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(objects)
    finally:
        gc.unfreeze()


def test_it_goes_on_after_a_module_that_cannot_be_loaded():
    with pytest.raises(ImportError), gc_pause():
        raise ImportError
    gc.unfreeze()
    assert gc.isenabled()
