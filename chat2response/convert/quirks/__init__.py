"""How one Chat backend differs from the next, as data: the type `Quirks` and a profile for each backend.

No code here converts anything; the converters read these values.
"""
