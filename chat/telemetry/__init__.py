"""What an operator can see of a deployment: health, metrics, traces and logs.

No part of it holds a message's text, unless the operator sets `CANDOR_LOG_TEXT`; none a secret, a
reader's name or address.
"""
