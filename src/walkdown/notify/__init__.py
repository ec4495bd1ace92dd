"""Ways to tell people: each module is one `ports.Notifier`, and knows nothing of the others.

A notifier delivers one notice or raises `NotifyError`; it keeps no state and never decides what is
worth telling. Delivery is at least once, so each one passes on the notice's id and its alerts', by
which whoever receives one twice can drop one.
"""
