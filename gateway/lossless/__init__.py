"""Where every leaf of a webhook body went: found by changing it, and looking at the events.

Change a leaf to another valid value of its kind. If an event changes, the leaf is typed; if only the provider's
fragment in `raw` would, it is raw; else it was dropped, and stands on a named list of noise, or it is lost.
"""

from gateway.lossless.leaves import Leaf, Verdict, share_typed
from gateway.lossless.trial import explain
from gateway.lossless.variants import Vocabulary, learn

__all__ = ["Leaf", "Verdict", "Vocabulary", "explain", "learn", "share_typed"]
