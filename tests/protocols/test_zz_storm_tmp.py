import sys; sys.path.insert(0,'/work/main')
import pytest
from tests.protocols.test_sharing import *
from tests.protocols.test_sharing import test_a_storm as _s
@pytest.mark.parametrize("seed", range(100,160))
async def test_many(site, seed): await _s(site, seed)
