"""The worlds of `tests/client/audit/test_custody.py`, each judged by both verifiers."""

from __future__ import annotations

from tests.client.audit import custodian, test_custody
from tests.client.audit.test_custody import *  # noqa: F403 - its tests are run again here, under the fixture below
from tests.verify.agreement import agreeing

both = agreeing(test_custody)
both_of_held = agreeing(custodian)
