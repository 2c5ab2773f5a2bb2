"""The parts of a relay core, as its steps see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import AmanahError, Code, OperationalError
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.types import KeyId
from amanah_relay.core.admission import Admission
from amanah_relay.core.clients import Clients
from amanah_relay.core.fanout import FanOuts
from amanah_relay.core.ledger import Ledger
from amanah_relay.core.output import Output
from amanah_relay.core.pending import Pending
from amanah_relay.core.sequencer import Sequencer
from amanah_relay.core.staging import ContentCache, Staging
from amanah_relay.effects import SessionId
from amanah_relay.quotas import Quotas, RelayLimits
from amanah_relay.state import RelayState
