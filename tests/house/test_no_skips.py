"""`--no-skips` turns every kind of skip into a failure; without it a skip stays a skip."""

import pytest

pytest_plugins = ["pytester"]

SAMPLE = """
import pytest

def test_runs(): pass

@pytest.mark.skip(reason="by mark")
def test_marked(): pass

def test_inside(): pytest.skip("by call")

@pytest.mark.xfail(reason="known", strict=True)
def test_expected_to_fail(): assert False
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    pytester.makepyfile(test_sample=SAMPLE)
    pytester.makepyfile(test_module='import pytest\npytest.skip("whole", allow_module_level=True)')
    args = (
        "-p",
        "tests.support.house.no_skips",
        "-p",
        "no:asyncio",
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
    )
    return lambda *more: pytester.runpytest_inprocess(*args, *more)


def test_skips_fail_when_asked(run):
    result = run("--no-skips")
    result.assert_outcomes(passed=1, failed=1, errors=2, xfailed=1)
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*test_marked was skipped, and --no-skips*by mark*"])


def test_skips_are_skips_otherwise(run):
    run().assert_outcomes(passed=1, skipped=3, xfailed=1)
