"""Documents of two parties: an organisation's enrolment key, and a custodian who did not make that key.

An enrolment officer alone must neither open a record to an auditor nor keep content from being erased, nor
end either. Keys are what can be told apart, persons are not; so the second signature is that of a root key
that did *not* endorse the enrolment key that signed. `amanah org init` makes root and enrolment key in one
keystore: a signature by that root would be a second one by the same hand. An organisation therefore needs one
custodian more than its threshold.

Who has endorsed the key once is no second party for as long as the key is used, whatever a later record of it says:
else the hand that made it could have it endorsed by the others, and sign beside it.
"""

from __future__ import annotations

from amanah_protocol import endorse
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import sha256
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.identity import Enrolment
from amanah_protocol.roster import Organisation


def verify_two_parties(endorsed: Endorsed, typ: Typ, *, enrolment: Enrolment, organisation: Organisation) -> None:
    """The enrolment key signed, and so did a custodian who did not endorse it.

    That the enrolment key is in force is the caller's check.

    Args:
        endorsed: Document and signatures.
        typ: What the signatures were made for.
        enrolment: The enrolment key that is said to have signed, knowing who endorsed it in records logged before.
        organisation: Its organisation, by the roster in force.

    Raises:
        DecodeError: A signature is of another `typ`.
        VerifyError: `CERTIFICATE` for an enrolment key of another organisation; `THRESHOLD`; `SIGNATURE` or
            `BINDING`.
    """
    if enrolment.organisation != organisation.name:
        raise VerifyError(Code.CERTIFICATE, "the enrolment key is of another organisation")
    signers = endorse.verified_signers(endorsed, (enrolment.public_key, *organisation.roots), typ)
    if enrolment.public_key not in signers:
        raise VerifyError(Code.THRESHOLD, f"the enrolment key of {organisation.name} has not signed")
    custodians = signers - {enrolment.public_key}
    endorsers = endorse.verified_signers(enrolment.endorsed, organisation.roots)
    if all(sha256(custodian) in enrolment.earlier for custodian in custodians - endorsers):
        detail = f"no custodian of {organisation.name} has signed but those who endorsed the enrolment key itself"
        raise VerifyError(Code.THRESHOLD, detail if custodians else f"no custodian of {organisation.name} has signed")
