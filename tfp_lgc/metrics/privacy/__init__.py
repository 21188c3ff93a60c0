"""What of single training images can be told from what is sent.

Measured, not guaranteed: an attack that finds nothing shows that this attack
finds nothing.
"""
