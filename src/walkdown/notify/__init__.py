"""Ways to tell people: each module is one `ports.Notifier`, and knows nothing of the others.

A notifier delivers one alert or raises `NotifyError`; it keeps no state and never decides what is
worth telling. Delivery is at least once, so each one passes on the alert's id, by which whoever
receives it twice can drop one.
"""
