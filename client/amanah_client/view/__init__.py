"""What faces show: pure functions from what the SDK gives to plain values, for the desk and the terminal alike.

No HTML and no terminal codes: a face draws these values, and decides nothing about them. Ids are in hex, times are Unix
milliseconds with the words beside them. What others wrote has passed `visible.shown`; inside a sentence of ours it is
isolated (`words.value`), so that its direction is its own.
"""
