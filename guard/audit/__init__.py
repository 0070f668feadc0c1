"""Do the models withhold? Matched questions, asked of many models, counted with intervals.

What each module holds: `plan` what is asked, `asking` how, `record` what is kept of it, `statistics`
what follows, `report` how that is told. The statistics need packages of their own
(`requirements-audit.txt`); the chat needs none of this.
"""
