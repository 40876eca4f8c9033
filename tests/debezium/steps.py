# SPDX-License-Identifier: Apache-2.0
"""The steps of a document: each code block after a comment <!-- step: NAME --> is what a user runs."""
import os
import re

from servers import ROOT


def step(document, name):
    with open(os.path.join(ROOT, "docs", document), encoding="utf-8") as file:
        found = re.search(r"<!-- step: %s -->\s*```\w*\n(.*?)```" % re.escape(name), file.read(), re.DOTALL)
    if not found:
        raise KeyError("%s has no step %s" % (document, name))
    return found.group(1)
