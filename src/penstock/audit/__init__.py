"""The audit: what the ledger says that the stores hold, compared with what they hold."""

from penstock.audit.compare import audit as audit
from penstock.audit.compare import faults_of_ledger as faults_of_ledger
