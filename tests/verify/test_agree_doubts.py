"""The worlds of `tests/client/audit/test_doubts.py`, each judged by both verifiers."""

from __future__ import annotations

from tests.client.audit import test_doubts
from tests.client.audit.test_doubts import *  # noqa: F403 - its tests are run again here, under the fixture below
from tests.verify.agreement import agreeing

both = agreeing(test_doubts)
