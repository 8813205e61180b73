"""The sockets that the exchange plugs into; the adapters below and beside it fit them.

Rule for every signature: an answer is a value, failing to get an answer is an exception from
``gateway/errors.py``. Each socket has one contract test that runs over every adapter.
"""

from gateway.model.message import Filter as Filter
from gateway.ports.addresses import FailedAddresses as FailedAddresses
from gateway.ports.identities import Identities as Identities
from gateway.ports.intake import Incoming as Incoming
from gateway.ports.intake import Intake as Intake
from gateway.ports.intake import Taken as Taken
from gateway.ports.keeping import Erased as Erased
from gateway.ports.keeping import Gap as Gap
from gateway.ports.keeping import Ledger as Ledger
from gateway.ports.keeping import Operation as Operation
from gateway.ports.keeping import Periods as Periods
from gateway.ports.keeping import Retention as Retention
from gateway.ports.letters import Bureau as Bureau
from gateway.ports.letters import Letters as Letters
from gateway.ports.letters import Paper as Paper
from gateway.ports.mail import CameBack as CameBack
from gateway.ports.mail import MailRecords as MailRecords
from gateway.ports.mail import Promised as Promised
from gateway.ports.money import Money as Money
from gateway.ports.pending import Pending as Pending
from gateway.ports.people import Counted as Counted
from gateway.ports.people import Guesses as Guesses
from gateway.ports.people import Overview as Overview
from gateway.ports.people import People as People
from gateway.ports.relations import Changes as Changes
from gateway.ports.relations import Rejections as Rejections
from gateway.ports.relations import Relations as Relations
from gateway.ports.search import Search as Search
from gateway.ports.second import SecondFactors as SecondFactors
from gateway.ports.store import ANY_SIZE as ANY_SIZE
from gateway.ports.store import DEATHS as DEATHS
from gateway.ports.store import Added as Added
from gateway.ports.store import Arrival as Arrival
from gateway.ports.store import ChangeBell as ChangeBell
from gateway.ports.store import Queue as Queue
from gateway.ports.store import Store as Store
from gateway.ports.store import Wake as Wake
from gateway.ports.sweeps import Judged as Judged
from gateway.ports.sweeps import Sweeps as Sweeps
from gateway.ports.world import Channel as Channel
from gateway.ports.world import Clock as Clock
from gateway.ports.world import Closable as Closable
from gateway.ports.world import Delivery as Delivery
from gateway.ports.world import Listing as Listing
from gateway.ports.world import Lookup as Lookup
from gateway.ports.world import Register as Register
from gateway.ports.world import Repeatable as Repeatable
from gateway.ports.world import Surveyor as Surveyor
from gateway.ports.world import Transport as Transport
