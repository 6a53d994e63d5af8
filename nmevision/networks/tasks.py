"""What a network answers, by name; no torch here, so that whatever runs the network can use them."""

from __future__ import annotations

DIAGNOSIS = "diagnosis"
"""The task whose outputs are the taxonomy's diagnoses in order."""
FINDINGS = "findings"
"""The task whose outputs are three conditional logits for each finding in order (nmevision.grades)."""
FIELDS = "fields"
"""The task whose outputs are the log-odds that each structure (horn, papillary dermis ...) is in the field."""
ATTENTION = "attention"
"""The task whose one output says how much an image counts among those of its case: a softmax over them gives shares."""
FEATURES = "features"
"""What the backbone hands to the heads; no task, so nothing else may be called so."""
