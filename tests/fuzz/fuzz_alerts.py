"""Fuzz `decode_alerts`: a batch as another member sealed it."""

from __future__ import annotations

from typing import Final

from amanah_client.gateway.eve import decode_event
from amanah_protocol import cbor, limits
from amanah_protocol.content.alert import Alert, decode_alerts, encode_alerts

_EVENT: Final = (
    b'{"timestamp":"2026-01-01T00:00:00.000000+0000","flow_id":1,"event_type":"alert","src_ip":"192.0.2.1",'
    b'"src_port":1,"dest_ip":"198.51.100.1","dest_port":2,"proto":"TCP","alert":{"gid":1,"signature_id":2,"rev":1,'
    b'"signature":"A rule","category":"A class","severity":2}}'
)
_ALERT: Final = decode_event(_EVENT)
assert isinstance(_ALERT, Alert)
SEEDS: Final = (cbor.encode(encode_alerts((_ALERT,))), cbor.encode(encode_alerts((_ALERT, _ALERT))))


def run(data: bytes) -> None:
    """What is accepted has one form."""
    alerts = decode_alerts(cbor.decode(data, max_bytes=limits.MAX_PLAINTEXT_BYTES))
    assert cbor.encode(encode_alerts(alerts)) == data
