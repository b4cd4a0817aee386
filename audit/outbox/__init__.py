"""The outbox: messages to other servers, stored with the change that causes them.

The worker sends them, so a dead or slow server never costs a request. Delivery is at least once:
SMTP offers no way to ask whether a message arrived, so a worker that is killed between the
server's answer and its own commit leads to a second copy. Copies of an email carry the same
Message-ID, and copies of a webhook the same `webhook-id`.

`store.put` stores a message with its payload sealed (seal). `deliver.send_due` sends what is due
through the deliverer of its kind. `mail` is one kind; apps above register others, which reach
addresses that customers choose through `post`.
"""
