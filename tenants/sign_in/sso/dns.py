"""Look up TXT records."""

from dns import exception, resolver
from dns.rdtypes.ANY.TXT import TXT

from tenants import conf

SECONDS = 5.0
MOST_RECORDS = 50


def has_record(name: str, value: str) -> bool:
    """Return whether DNS has a TXT record with exactly this value. False if it cannot be asked."""
    servers = conf.dns_servers()
    asker = resolver.Resolver(configure=not servers)
    if servers:
        asker.nameservers = [host for host, _ in servers]
        asker.nameserver_ports = dict(servers)
    try:
        answer = asker.resolve(name, "TXT", lifetime=SECONDS, search=False)
    except exception.DNSException:
        return False
    texts = [b"".join(record.strings) for record in answer if isinstance(record, TXT)]
    return value.encode() in texts[:MOST_RECORDS]
